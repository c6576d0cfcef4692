create table level (
    sku text not null,
    location text not null,
    on_hand integer not null,
    reserved integer not null,
    -- Counts the changes; each wrote the movement with the same version.
    version integer not null,
    constraint level_pk primary key (sku, location),
    constraint level_reserved check (reserved >= 0 and reserved <= on_hand),
    constraint level_on_hand check (on_hand >= 0 and on_hand <= 1000000000),
    constraint level_version check (version >= 0)
) strict, without rowid;
create index level_location on level (location, sku);
