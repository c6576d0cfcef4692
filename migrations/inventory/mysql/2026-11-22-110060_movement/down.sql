drop table if exists movement;
