-- Finds the orders of any two of the three statuses, of each value of the third, in the order of lists.
create index orders_by_standing on orders (payment_status, fulfilment_status, status, created_at, id);
