create table location (
    id text not null,
    name text not null,
    is_default integer not null,
    created_at integer not null,
    constraint location_pk primary key (id),
    constraint location_name unique (name),
    constraint location_is_default check (is_default in (0, 1))
) strict, without rowid;
create index location_created_at on location (created_at, id);
