create table api_key (
    id text not null,
    user_id text not null,
    name text not null,
    -- SHA-256 of the key, base64url.
    hash text not null,
    -- Separated by a blank.
    scopes text not null,
    created_at integer not null,
    expires_at integer,
    last_used_at integer,
    revoked_at integer,
    constraint api_key_pk primary key (id),
    constraint api_key_hash unique (hash),
    constraint api_key_user foreign key (user_id) references users (id),
    constraint api_key_hash_length check (length(hash) = 43),
    constraint api_key_scopes check (length(scopes) > 0)
) strict;
-- Those that were not revoked are listed by age.
create index api_key_by_user on api_key (user_id, revoked_at, created_at, id);
create index api_key_by_age on api_key (revoked_at, created_at, id);
