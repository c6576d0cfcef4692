create table code_request (
    id text not null,
    purpose text not null,
    -- As it was asked for; there may be no such user.
    email text not null,
    created_at integer not null,
    constraint code_request_pk primary key (id)
) strict;
