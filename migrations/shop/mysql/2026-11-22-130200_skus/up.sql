create table if not exists skus (
    sku varchar(64) not null,
    product varchar(64) not null,
    position bigint not null,
    title text not null,
    options longtext not null,
    amount bigint not null,
    currency char(3) not null,
    compare_at bigint,
    barcode varchar(64) not null,
    grams bigint not null,
    image text not null,
    extra longtext not null,
    -- A SKU stays taken for ever; an archived one is no longer sold.
    archived integer not null,
    created_at bigint not null,
    constraint sku_pk primary key (sku),
    constraint sku_product foreign key (product) references product (id),
    constraint sku_amount check (amount >= 0 and amount <= 9007199254740991),
    constraint sku_compare_at check (compare_at is null or (compare_at >= 0 and compare_at <= 9007199254740991)),
    constraint sku_archived check (archived in (0, 1)),
    key sku_by_product (product, position)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
