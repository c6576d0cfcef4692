drop table if exists audit_head;
