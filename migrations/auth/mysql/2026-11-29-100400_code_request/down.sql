drop table if exists code_request;
