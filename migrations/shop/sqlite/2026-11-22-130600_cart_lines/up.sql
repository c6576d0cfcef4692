create table cart_line (
    cart text not null,
    line text not null,
    sku text not null,
    quantity integer not null,
    position integer not null,
    constraint cart_line_pk primary key (cart, line),
    constraint cart_line_sku unique (cart, sku),
    constraint cart_line_cart foreign key (cart) references cart (id),
    constraint cart_line_quantity check (quantity between 1 and 1000000)
) strict, without rowid;
