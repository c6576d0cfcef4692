drop table audit_head;
