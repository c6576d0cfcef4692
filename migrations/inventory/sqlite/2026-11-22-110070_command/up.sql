create table command (
    id text not null,
    fingerprint text not null,
    -- What it was answered with, refusals included, in JSON.
    outcome text not null,
    created_at integer not null,
    constraint command_pk primary key (id)
) strict, without rowid;
create index command_created_at on command (created_at);
