create table users (
    id text not null,
    -- Lower case; compared byte by byte.
    email text not null,
    name text not null,
    -- PHC string.
    password_hash text not null,
    -- Rises when the password is set, not when the same password is hashed anew.
    password_version integer not null,
    disabled integer not null,
    created_at integer not null,
    version integer not null,
    constraint users_pk primary key (id),
    constraint users_email unique (email),
    constraint users_email_length check (length(email) between 3 and 254),
    constraint users_password_hash check (password_hash like '$argon2id$%'),
    constraint users_password_version check (password_version >= 1),
    constraint users_disabled check (disabled in (0, 1)),
    constraint users_version check (version >= 1)
) strict;
create index users_created_at on users (created_at, id);
create index users_disabled on users (disabled, created_at, id);
