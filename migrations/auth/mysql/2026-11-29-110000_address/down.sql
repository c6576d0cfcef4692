drop table if exists address;
