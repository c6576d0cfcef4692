-- Behind which of its products those are that are not yet found by its present name; null when all are.
alter table category add column unindexed_after text;
