create table order_line (
    order_id text not null,
    position integer not null,
    sku text not null,
    product text not null,
    title text not null,
    supplier text,
    quantity integer not null,
    unit_price integer not null,
    total integer not null,
    constraint order_line_pk primary key (order_id, position),
    constraint order_line_order foreign key (order_id) references orders (id),
    constraint order_line_quantity check (quantity >= 1),
    constraint order_line_total check (total = unit_price * quantity)
) strict, without rowid;
create index order_line_by_sku on order_line (sku, order_id);
