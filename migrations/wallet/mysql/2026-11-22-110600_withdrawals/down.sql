drop table if exists withdrawal;
