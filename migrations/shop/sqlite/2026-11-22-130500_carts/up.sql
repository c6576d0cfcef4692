create table cart (
    id text not null,
    owner text,
    token_hash text,
    version integer not null,
    created_at integer not null,
    updated_at integer not null,
    constraint cart_pk primary key (id),
    constraint cart_reachable check ((owner is null) <> (token_hash is null))
) strict;
create index cart_by_updated on cart (updated_at);
create index cart_by_owner on cart (owner, updated_at);
