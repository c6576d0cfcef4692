create table known_place (
    account text not null,
    -- Where somebody logged in from.
    place text not null,
    last_at integer not null,
    constraint known_place_pk primary key (account, place)
) strict, without rowid;
create index known_place_last_at on known_place (last_at);
