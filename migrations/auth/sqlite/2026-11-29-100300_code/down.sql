drop table code;
