alter table orders
    drop key orders_by_buyer,
    add key orders_by_buyer (buyer, created_at, id);
