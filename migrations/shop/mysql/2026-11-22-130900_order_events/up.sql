create table if not exists order_event (
    order_id varchar(64) not null,
    -- The order's version that this event made.
    version bigint not null,
    kind varchar(32) not null,
    actor varchar(64) not null,
    detail text not null,
    created_at bigint not null,
    constraint order_event_pk primary key (order_id, version),
    constraint order_event_order foreign key (order_id) references orders (id)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
