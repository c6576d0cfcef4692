drop table order_event;
