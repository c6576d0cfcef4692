drop table known_place;
