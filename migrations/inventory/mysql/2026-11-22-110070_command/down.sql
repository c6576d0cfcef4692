drop table if exists command;
