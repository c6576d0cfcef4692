create table skus (
    sku text not null,
    product text not null,
    position integer not null,
    title text not null,
    options text not null,
    amount integer not null,
    currency text not null,
    compare_at integer,
    barcode text not null,
    grams integer not null,
    image text not null,
    extra text not null,
    -- A SKU stays taken for ever; an archived one is no longer sold.
    archived integer not null,
    created_at integer not null,
    constraint sku_pk primary key (sku),
    constraint sku_product foreign key (product) references product (id),
    constraint sku_amount check (amount >= 0 and amount <= 9007199254740991),
    constraint sku_compare_at check (compare_at is null or (compare_at >= 0 and compare_at <= 9007199254740991)),
    constraint sku_archived check (archived in (0, 1))
) strict;
create index sku_by_product on skus (product, position);
