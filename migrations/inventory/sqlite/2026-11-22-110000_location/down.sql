drop table location;
