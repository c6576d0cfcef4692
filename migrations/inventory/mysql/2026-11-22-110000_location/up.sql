create table if not exists location (
    id varchar(64) not null,
    name varchar(100) not null,
    is_default integer not null,
    created_at bigint not null,
    constraint location_pk primary key (id),
    constraint location_name unique (name),
    constraint location_is_default check (is_default in (0, 1)),
    key location_created_at (created_at, id)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
