drop table if exists login_failure;
