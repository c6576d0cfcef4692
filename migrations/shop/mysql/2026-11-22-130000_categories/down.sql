drop table if exists category;
