create table audit_head (
    id integer not null,
    -- The last entry, and its hash.
    seq integer not null,
    hash text not null,
    constraint audit_head_pk primary key (id),
    constraint audit_head_alone check (id = 1)
) strict;
