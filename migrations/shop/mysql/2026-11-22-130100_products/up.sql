create table if not exists product (
    id varchar(64) not null,
    slug varchar(255) not null,
    title varchar(255) not null,
    description mediumtext not null,
    vendor varchar(255) not null,
    kind varchar(255) not null,
    -- JSON: lists and maps that nothing filters by.
    tags longtext not null,
    options text not null,
    images longtext not null,
    extra longtext not null,
    status varchar(32) not null,
    supplier varchar(64),
    -- The lowest price of its SKUs, for sorting.
    price_from bigint not null,
    -- Whether inventory knows all of its SKUs; recovery repeats the registration until it does.
    registered integer not null,
    version bigint not null,
    created_at bigint not null,
    updated_at bigint not null,
    constraint product_pk primary key (id),
    constraint product_slug unique (slug),
    constraint product_status check (status = 'draft' or status = 'active' or status = 'archived'),
    constraint product_registered check (registered in (0, 1)),
    key product_by_created (status, created_at, id),
    key product_by_title (status, title, id),
    key product_by_price (status, price_from, id),
    key product_by_supplier (supplier, created_at, id),
    key product_all_by_created (created_at, id),
    key product_all_by_title (title, id),
    key product_all_by_price (price_from, id),
    key product_unregistered (registered, id)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
