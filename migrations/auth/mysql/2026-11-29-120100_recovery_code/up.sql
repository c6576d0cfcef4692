create table if not exists recovery_code (
    user_id varchar(64) not null,
    -- Keyed hash, base64url.
    hash varchar(64) not null,
    constraint recovery_code_pk primary key (user_id, hash),
    constraint recovery_code_user foreign key (user_id) references users (id),
    constraint recovery_code_hash_length check (char_length(hash) = 43)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
