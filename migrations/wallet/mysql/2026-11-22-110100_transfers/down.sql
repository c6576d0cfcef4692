drop table if exists transfer;
