drop table if exists code_sent;
