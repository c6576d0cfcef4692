drop index orders_by_buyer;
create index orders_by_buyer on orders (buyer, created_at, id);
