create table if not exists command (
    id varchar(100) not null,
    fingerprint varchar(64) not null,
    -- What it was answered with, refusals included, in JSON.
    outcome mediumtext not null,
    created_at bigint not null,
    constraint command_pk primary key (id),
    key command_created_at (created_at)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
