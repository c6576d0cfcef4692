-- Tells at once whether a location holds anything, however many empty levels it has.
alter table level
    add key level_filled (location, on_hand);
