drop index orders_by_standing;
