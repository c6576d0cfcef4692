create table if not exists bootstrap (
    -- There is at most one secret.
    id integer not null,
    -- SHA-256, base64url.
    secret_hash varchar(64) not null,
    created_at bigint not null,
    constraint bootstrap_pk primary key (id),
    constraint bootstrap_single check (id = 1),
    constraint bootstrap_hash_length check (char_length(secret_hash) = 43)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
