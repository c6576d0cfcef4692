drop table if exists totp;
