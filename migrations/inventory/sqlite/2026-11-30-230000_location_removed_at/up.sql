-- Since when it is no place any more; it goes with the last of its empty levels.
alter table location add column removed_at integer;
