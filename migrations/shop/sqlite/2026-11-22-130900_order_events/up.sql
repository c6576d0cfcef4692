create table order_event (
    order_id text not null,
    -- The order's version that this event made.
    version integer not null,
    kind text not null,
    actor text not null,
    detail text not null,
    created_at integer not null,
    constraint order_event_pk primary key (order_id, version),
    constraint order_event_order foreign key (order_id) references orders (id)
) strict, without rowid;
