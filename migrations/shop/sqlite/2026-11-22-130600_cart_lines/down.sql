drop table cart_line;
