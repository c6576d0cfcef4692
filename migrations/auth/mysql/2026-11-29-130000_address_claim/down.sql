drop table if exists address_claim;
