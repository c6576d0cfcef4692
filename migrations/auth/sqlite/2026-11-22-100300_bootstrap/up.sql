create table bootstrap (
    -- There is at most one secret.
    id integer not null,
    -- SHA-256, base64url.
    secret_hash text not null,
    created_at integer not null,
    constraint bootstrap_pk primary key (id),
    constraint bootstrap_single check (id = 1),
    constraint bootstrap_hash_length check (length(secret_hash) = 43)
) strict;
