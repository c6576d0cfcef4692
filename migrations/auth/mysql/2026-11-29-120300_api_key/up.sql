create table if not exists api_key (
    id varchar(64) not null,
    user_id varchar(64) not null,
    name varchar(255) not null,
    -- SHA-256 of the key, base64url.
    hash varchar(64) not null,
    -- Separated by a blank.
    scopes varchar(1024) not null,
    created_at bigint not null,
    expires_at bigint,
    last_used_at bigint,
    revoked_at bigint,
    constraint api_key_pk primary key (id),
    constraint api_key_hash unique (hash),
    constraint api_key_user foreign key (user_id) references users (id),
    constraint api_key_hash_length check (char_length(hash) = 43),
    constraint api_key_scopes check (char_length(scopes) > 0),
    -- Those that were not revoked are listed by age.
    key api_key_by_user (user_id, revoked_at, created_at, id),
    key api_key_by_age (revoked_at, created_at, id)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
