alter table orders drop key orders_by_standing;
