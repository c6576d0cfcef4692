alter table location drop column removed_at;
