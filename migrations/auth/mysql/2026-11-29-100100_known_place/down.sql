drop table if exists known_place;
