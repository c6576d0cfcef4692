drop table resolution;
