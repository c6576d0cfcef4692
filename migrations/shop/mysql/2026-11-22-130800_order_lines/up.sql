create table if not exists order_line (
    order_id varchar(64) not null,
    position bigint not null,
    sku varchar(64) not null,
    product varchar(64) not null,
    title text not null,
    supplier varchar(64),
    quantity bigint not null,
    unit_price bigint not null,
    total bigint not null,
    constraint order_line_pk primary key (order_id, position),
    constraint order_line_order foreign key (order_id) references orders (id),
    constraint order_line_quantity check (quantity >= 1),
    constraint order_line_total check (total = unit_price * quantity),
    key order_line_by_sku (sku, order_id)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
