drop table if exists reservation;
