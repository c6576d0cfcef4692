drop table if exists reservation_line;
