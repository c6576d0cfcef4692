create table if not exists totp (
    user_id varchar(64) not null,
    -- The seed, hidden with a key from auth-root.key.
    sealed text not null,
    confirmed integer not null,
    -- The newest time step whose code was used; each is good once.
    last_step bigint not null,
    created_at bigint not null,
    constraint totp_pk primary key (user_id),
    constraint totp_user foreign key (user_id) references users (id),
    constraint totp_confirmed check (confirmed in (0, 1))
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
