-- Holds what a buyer's orders are asked for, so that those that are passed over are not read.
alter table orders
    drop key orders_by_buyer,
    add key orders_by_buyer (buyer, created_at, id, payment_status, fulfilment_status, status);
