drop table if exists root_check;
