drop table reservation_line;
