drop table if exists cart_line;
