alter table category drop column unindexed_after;
