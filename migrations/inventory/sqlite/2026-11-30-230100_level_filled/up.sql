-- Tells at once whether a location holds anything, however many empty levels it has.
create index level_filled on level (location, on_hand);
