drop table if exists shelf;
