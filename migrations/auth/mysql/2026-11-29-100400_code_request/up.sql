create table if not exists code_request (
    purpose varchar(32) not null,
    -- As it was asked for; there may be no such user.
    email varchar(254) not null,
    -- Where from.
    place varchar(64) not null,
    created_at bigint not null,
    constraint code_request_pk primary key (purpose, email, place),
    key code_request_created_at (created_at)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
