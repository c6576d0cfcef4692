drop table if exists level;
