create table if not exists cart_line (
    cart varchar(64) not null,
    line varchar(64) not null,
    sku varchar(64) not null,
    quantity bigint not null,
    position bigint not null,
    constraint cart_line_pk primary key (cart, line),
    constraint cart_line_sku unique (cart, sku),
    constraint cart_line_cart foreign key (cart) references cart (id),
    constraint cart_line_quantity check (quantity between 1 and 1000000)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
