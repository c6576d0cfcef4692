drop table if exists recovery_code;
