drop table if exists mail;
