create table audit_entry (
    -- Without gaps, from 1.
    seq integer not null,
    -- Names the entry, so that it is written once.
    id text not null,
    at integer not null,
    -- A user id, or who else.
    actor text not null,
    action text not null,
    subject text not null,
    -- JSON.
    detail text not null,
    request text not null,
    -- SHA-256 of the hash before and of everything above, base64url.
    hash text not null,
    constraint audit_entry_pk primary key (seq),
    constraint audit_entry_id unique (id),
    constraint audit_entry_hash_length check (length(hash) = 43)
) strict;
