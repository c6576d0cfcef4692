drop index level_filled;
