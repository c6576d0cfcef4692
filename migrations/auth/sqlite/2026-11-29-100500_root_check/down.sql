drop table root_check;
