create table product (
    id text not null,
    slug text not null,
    title text not null,
    description text not null,
    vendor text not null,
    kind text not null,
    -- JSON: lists and maps that nothing filters by.
    tags text not null,
    options text not null,
    images text not null,
    extra text not null,
    status text not null,
    supplier text,
    -- The lowest price of its SKUs, for sorting.
    price_from integer not null,
    -- Whether inventory knows all of its SKUs; recovery repeats the registration until it does.
    registered integer not null,
    version integer not null,
    created_at integer not null,
    updated_at integer not null,
    constraint product_pk primary key (id),
    constraint product_slug unique (slug),
    constraint product_status check (status = 'draft' or status = 'active' or status = 'archived'),
    constraint product_registered check (registered in (0, 1))
) strict;
create index product_by_created on product (status, created_at, id);
create index product_by_title on product (status, title, id);
create index product_by_price on product (status, price_from, id);
create index product_by_supplier on product (supplier, created_at, id);
create index product_by_supplier_title on product (supplier, title, id) where supplier is not null;
create index product_by_supplier_price on product (supplier, price_from, id) where supplier is not null;
create index product_all_by_created on product (created_at, id);
create index product_all_by_title on product (title, id);
create index product_all_by_price on product (price_from, id);
create index product_unregistered on product (id) where registered = 0;
