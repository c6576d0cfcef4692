create table if not exists item (
    sku varchar(64) not null,
    title text not null,
    supplier varchar(64),
    low_stock_threshold bigint,
    -- Since when what is available has been at or below the threshold.
    low_since bigint,
    is_low integer generated always as (low_since is not null) stored,
    created_at bigint not null,
    constraint item_pk primary key (sku),
    constraint item_low_stock_threshold check (low_stock_threshold >= 0),
    constraint item_low_since check (low_since is null or low_stock_threshold is not null),
    key item_supplier_low_since (supplier, low_since, sku),
    key item_supplier (supplier, sku),
    key item_low_since (low_since, sku),
    key item_supplier_is_low (supplier, is_low, sku),
    key item_is_low (is_low, sku)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
