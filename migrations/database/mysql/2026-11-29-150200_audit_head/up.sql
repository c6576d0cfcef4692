create table if not exists audit_head (
    id integer not null,
    -- The last entry, and its hash.
    seq bigint not null,
    hash varchar(64) not null,
    constraint audit_head_pk primary key (id),
    constraint audit_head_alone check (id = 1)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
