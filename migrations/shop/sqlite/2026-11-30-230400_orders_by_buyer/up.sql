-- Holds what a buyer's orders are asked for, so that those that are passed over are not read.
drop index orders_by_buyer;
create index orders_by_buyer on orders (buyer, created_at, id, payment_status, fulfilment_status, status);
