create table if not exists code_request (
    id varchar(64) not null,
    purpose varchar(32) not null,
    -- As it was asked for; there may be no such user.
    email varchar(254) not null,
    created_at bigint not null,
    constraint code_request_pk primary key (id)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
