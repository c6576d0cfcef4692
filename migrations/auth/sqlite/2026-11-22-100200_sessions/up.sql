create table sessions (
    id text not null,
    user_id text not null,
    -- SHA-256 of the refresh token that is good now and of the one before it, base64url.
    refresh_hash text not null,
    previous_hash text,
    rotated_at integer not null,
    created_at integer not null,
    expires_at integer not null,
    ended_at integer,
    end_reason text,
    constraint sessions_pk primary key (id),
    constraint sessions_refresh_hash unique (refresh_hash),
    constraint sessions_user foreign key (user_id) references users (id),
    constraint sessions_hash_length check (length(refresh_hash) = 43),
    constraint sessions_expiry check (expires_at > created_at),
    constraint sessions_end check ((ended_at is null) = (end_reason is null)),
    constraint sessions_end_reason check (
        end_reason = 'logout' or end_reason = 'reuse' or end_reason = 'disabled' or end_reason = 'password'
    )
) strict;
create index sessions_user_created_at on sessions (user_id, created_at, id);
create index sessions_expires_at on sessions (expires_at);
create index sessions_ended_at on sessions (ended_at);
