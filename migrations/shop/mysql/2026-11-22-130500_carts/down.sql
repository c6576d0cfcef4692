drop table if exists cart;
