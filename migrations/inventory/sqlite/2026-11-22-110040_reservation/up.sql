create table reservation (
    id text not null,
    -- Empty for a tombstone: the order was never heard of.
    order_id text not null,
    state text not null,
    -- The stored refusal, in JSON.
    outcome text,
    fingerprint text not null,
    expires_at integer not null,
    created_at integer not null,
    updated_at integer not null,
    constraint reservation_pk primary key (id),
    constraint reservation_state check (
        state = 'reserved' or state = 'committed' or state = 'released' or state = 'returned'
            or state = 'expired' or state = 'refused' or state = 'tombstone'
    ),
    constraint reservation_outcome check ((state = 'refused') = (outcome is not null))
) strict, without rowid;
create index reservation_expires_at on reservation (state, expires_at);
create index reservation_state on reservation (state, created_at, id);
create index reservation_created_at on reservation (created_at, id);
create index reservation_order_id on reservation (order_id, created_at, id);
