create table code_request (
    purpose text not null,
    -- As it was asked for; there may be no such user.
    email text not null,
    -- Where from.
    place text not null,
    created_at integer not null,
    constraint code_request_pk primary key (purpose, email, place)
) strict, without rowid;
create index code_request_created_at on code_request (created_at);
