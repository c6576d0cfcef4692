create table if not exists cart (
    id varchar(64) not null,
    owner varchar(64),
    token_hash varchar(64),
    version bigint not null,
    created_at bigint not null,
    updated_at bigint not null,
    constraint cart_pk primary key (id),
    constraint cart_reachable check ((owner is null) <> (token_hash is null)),
    key cart_by_updated (updated_at),
    key cart_by_owner (owner, updated_at)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
