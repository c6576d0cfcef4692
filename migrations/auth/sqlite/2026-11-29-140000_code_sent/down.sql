drop table code_sent;
