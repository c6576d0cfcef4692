drop table if exists lease;
