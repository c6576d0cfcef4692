drop table if exists idempotency;
