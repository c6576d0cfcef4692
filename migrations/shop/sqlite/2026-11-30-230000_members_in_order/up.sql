-- Holds what lists are filtered and sorted by, so that those of a category are read from its members alone.
alter table product_category add column status text not null default '';
alter table product_category add column title text not null default '';
alter table product_category add column price_from integer not null default 0;
alter table product_category add column created_at integer not null default 0;
