-- Finds the orders of any two of the three statuses, of each value of the third, in the order of lists.
alter table orders
    add key orders_by_standing (payment_status, fulfilment_status, status, created_at, id);
