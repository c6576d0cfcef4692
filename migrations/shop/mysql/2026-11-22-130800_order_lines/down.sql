drop table if exists order_line;
