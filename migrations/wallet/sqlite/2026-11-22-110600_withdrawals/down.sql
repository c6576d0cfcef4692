drop table withdrawal;
