drop table address_claim;
