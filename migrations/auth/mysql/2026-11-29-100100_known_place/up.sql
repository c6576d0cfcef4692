create table if not exists known_place (
    account varchar(64) not null,
    -- Where somebody logged in from.
    place varchar(64) not null,
    last_at bigint not null,
    constraint known_place_pk primary key (account, place),
    key known_place_last_at (last_at)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
