drop table if exists entry;
