create table if not exists category (
    id varchar(64) not null,
    slug varchar(255) not null,
    name varchar(255) not null,
    parent varchar(64),
    position bigint not null,
    version bigint not null,
    created_at bigint not null,
    constraint category_pk primary key (id),
    constraint category_slug unique (slug),
    constraint category_parent foreign key (parent) references category (id),
    key category_by_parent (parent, position)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
