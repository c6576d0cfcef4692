drop table if exists resolution;
