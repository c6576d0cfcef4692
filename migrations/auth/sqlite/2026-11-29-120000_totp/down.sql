drop table totp;
