create table reservation_line (
    reservation text not null,
    sku text not null,
    location text not null,
    quantity integer not null,
    constraint reservation_line_pk primary key (reservation, sku, location),
    constraint reservation_line_quantity check (quantity > 0)
) strict, without rowid;
