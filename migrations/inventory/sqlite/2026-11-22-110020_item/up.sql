create table item (
    sku text not null,
    title text not null,
    supplier text,
    low_stock_threshold integer,
    -- Since when what is available has been at or below the threshold.
    low_since integer,
    is_low integer not null generated always as (low_since is not null) stored,
    created_at integer not null,
    constraint item_pk primary key (sku),
    constraint item_low_stock_threshold check (low_stock_threshold >= 0),
    constraint item_low_since check (low_since is null or low_stock_threshold is not null)
) strict, without rowid;
-- Before item_supplier: of two indexes that seem as good, SQLite takes the one made last.
create index item_supplier_low_since on item (supplier, low_since, sku);
create index item_supplier_is_low on item (supplier, is_low, sku);
create index item_supplier on item (supplier, sku);
create index item_low_since on item (low_since, sku);
create index item_is_low on item (is_low, sku);
