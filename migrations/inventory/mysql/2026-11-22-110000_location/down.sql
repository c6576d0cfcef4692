drop table if exists location;
