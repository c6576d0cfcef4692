alter table level
    drop key level_filled;
