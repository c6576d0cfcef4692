drop table if exists audit_entry;
