-- Holds what lists are filtered and sorted by, so that those of a category are read from its members alone.
alter table product_category
    add column status varchar(32) not null default '',
    add column title varchar(255) not null default '',
    add column price_from bigint not null default 0,
    add column created_at bigint not null default 0;
