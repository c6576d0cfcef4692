drop table level;
