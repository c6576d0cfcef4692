drop table if exists order_event;
