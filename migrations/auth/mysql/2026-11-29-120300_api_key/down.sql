drop table if exists api_key;
