create table if not exists orders (
    id varchar(64) not null,
    number varchar(32) not null,
    buyer varchar(64) not null,
    status varchar(32) not null,
    payment_status varchar(32) not null,
    fulfilment_status varchar(32) not null,
    currency char(3) not null,
    total bigint not null,
    cart varchar(64),
    -- The cart again while the order is not cancelled: a cart becomes one order at most.
    live_cart varchar(64),
    -- Where the saga stands; done when there is nothing left to do.
    step varchar(32) not null,
    hold_attempt integer not null,
    -- Why it is or will be cancelled: a word, and the refusal as the client sees it.
    cancel_reason varchar(64),
    refusal mediumtext,
    -- Whether a client was told 202.
    accepted integer not null,
    version bigint not null,
    lease_until bigint not null,
    attempts integer not null,
    last_error text,
    created_at bigint not null,
    updated_at bigint not null,
    constraint orders_pk primary key (id),
    constraint orders_number unique (number),
    constraint orders_live_cart unique (live_cart),
    constraint orders_status check (
        status = 'pending' or status = 'placed' or status = 'cancelled' or status = 'completed'
    ),
    constraint orders_payment_status check (
        payment_status = 'none' or payment_status = 'authorized' or payment_status = 'paid'
            or payment_status = 'partially_refunded' or payment_status = 'refunded' or payment_status = 'voided'
    ),
    constraint orders_fulfilment_status check (
        fulfilment_status = 'unfulfilled' or fulfilment_status = 'partial' or fulfilment_status = 'fulfilled'
            or fulfilment_status = 'returned'
    ),
    constraint orders_step check (step = 'pending' or step = 'committed' or step = 'aborting' or step = 'done'),
    constraint orders_step_fits check ((step = 'done') = (status <> 'pending')),
    constraint orders_total check (total >= 0 and total <= 9007199254740991),
    key orders_by_buyer (buyer, created_at, id),
    key orders_by_created (created_at, id),
    key orders_by_status (status, created_at, id),
    key orders_by_payment_status (payment_status, created_at, id),
    key orders_by_fulfilment_status (fulfilment_status, created_at, id),
    key orders_unfinished (step, lease_until)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
