drop table recovery_code;
