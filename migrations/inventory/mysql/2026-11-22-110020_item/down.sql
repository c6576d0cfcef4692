drop table if exists item;
