drop table if exists hold;
