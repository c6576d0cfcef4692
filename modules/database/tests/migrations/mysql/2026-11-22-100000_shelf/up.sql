create table if not exists shelf (
    name varchar(64) not null,
    pieces bigint not null,
    constraint shelf_pk primary key (name),
    constraint shelf_pieces check (pieces >= 0)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
