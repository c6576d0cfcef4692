drop table if exists account;
