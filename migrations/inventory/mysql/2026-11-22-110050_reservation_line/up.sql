create table if not exists reservation_line (
    reservation varchar(64) not null,
    sku varchar(64) not null,
    location varchar(64) not null,
    quantity bigint not null,
    constraint reservation_line_pk primary key (reservation, sku, location),
    constraint reservation_line_quantity check (quantity > 0)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
