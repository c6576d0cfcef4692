create table if not exists reservation (
    id varchar(64) not null,
    -- Empty for a tombstone: the order was never heard of.
    order_id varchar(64) not null,
    state varchar(32) not null,
    -- The stored refusal, in JSON.
    outcome mediumtext,
    fingerprint varchar(64) not null,
    expires_at bigint not null,
    created_at bigint not null,
    updated_at bigint not null,
    constraint reservation_pk primary key (id),
    constraint reservation_state check (
        state = 'reserved' or state = 'committed' or state = 'released' or state = 'returned'
            or state = 'expired' or state = 'refused' or state = 'tombstone'
    ),
    constraint reservation_outcome check ((state = 'refused') = (outcome is not null)),
    key reservation_expires_at (state, expires_at),
    key reservation_state (state, created_at, id),
    key reservation_created_at (created_at, id),
    key reservation_order_id (order_id, created_at, id)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
