create table recovery_code (
    user_id text not null,
    -- Keyed hash, base64url.
    hash text not null,
    constraint recovery_code_pk primary key (user_id, hash),
    constraint recovery_code_user foreign key (user_id) references users (id),
    constraint recovery_code_hash_length check (length(hash) = 43)
) strict, without rowid;
