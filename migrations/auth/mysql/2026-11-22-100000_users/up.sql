create table if not exists users (
    id varchar(64) not null,
    -- Lower case; compared byte by byte.
    email varchar(254) not null,
    name varchar(100) not null,
    -- PHC string.
    password_hash varchar(255) not null,
    -- Rises when the password is set, not when the same password is hashed anew.
    password_version bigint not null,
    disabled integer not null,
    created_at bigint not null,
    version bigint not null,
    constraint users_pk primary key (id),
    constraint users_email unique (email),
    constraint users_email_length check (char_length(email) between 3 and 254),
    constraint users_password_hash check (password_hash like '$argon2id$%'),
    constraint users_password_version check (password_version >= 1),
    constraint users_disabled check (disabled in (0, 1)),
    constraint users_version check (version >= 1),
    key users_created_at (created_at, id),
    key users_disabled (disabled, created_at, id)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
