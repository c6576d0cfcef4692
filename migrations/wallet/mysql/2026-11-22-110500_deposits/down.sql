drop table if exists deposit;
