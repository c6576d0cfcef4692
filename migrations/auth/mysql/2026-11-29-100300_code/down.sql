drop table if exists code;
