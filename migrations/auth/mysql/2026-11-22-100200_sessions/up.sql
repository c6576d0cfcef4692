create table if not exists sessions (
    id varchar(64) not null,
    user_id varchar(64) not null,
    -- SHA-256 of the refresh token that is good now and of the one before it, base64url.
    refresh_hash varchar(64) not null,
    previous_hash varchar(64),
    rotated_at bigint not null,
    created_at bigint not null,
    expires_at bigint not null,
    ended_at bigint,
    end_reason varchar(32),
    constraint sessions_pk primary key (id),
    constraint sessions_refresh_hash unique (refresh_hash),
    constraint sessions_user foreign key (user_id) references users (id),
    constraint sessions_hash_length check (char_length(refresh_hash) = 43),
    constraint sessions_expiry check (expires_at > created_at),
    constraint sessions_end check ((ended_at is null) = (end_reason is null)),
    constraint sessions_end_reason check (
        end_reason = 'logout' or end_reason = 'reuse' or end_reason = 'disabled' or end_reason = 'password'
    ),
    key sessions_user_created_at (user_id, created_at, id),
    key sessions_expires_at (expires_at),
    key sessions_ended_at (ended_at)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
