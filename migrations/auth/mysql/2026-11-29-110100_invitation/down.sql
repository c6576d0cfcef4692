drop table if exists invitation;
