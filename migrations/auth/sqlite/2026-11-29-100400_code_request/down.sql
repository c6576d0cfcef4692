drop table code_request;
