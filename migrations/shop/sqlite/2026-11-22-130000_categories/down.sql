drop table category;
