create table orders (
    id text not null,
    number text not null,
    buyer text not null,
    status text not null,
    payment_status text not null,
    fulfilment_status text not null,
    currency text not null,
    total integer not null,
    cart text,
    -- The cart again while the order is not cancelled: a cart becomes one order at most.
    live_cart text,
    -- Where the saga stands; done when there is nothing left to do.
    step text not null,
    hold_attempt integer not null,
    -- Why it is or will be cancelled: a word, and the refusal as the client sees it.
    cancel_reason text,
    refusal text,
    -- Whether a client was told 202.
    accepted integer not null,
    version integer not null,
    lease_until integer not null,
    attempts integer not null,
    last_error text,
    created_at integer not null,
    updated_at integer not null,
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
    constraint orders_total check (total >= 0 and total <= 9007199254740991)
) strict;
create index orders_by_buyer on orders (buyer, created_at, id);
create index orders_by_created on orders (created_at, id);
create index orders_by_status on orders (status, created_at, id);
create index orders_by_payment_status on orders (payment_status, created_at, id);
create index orders_by_fulfilment_status on orders (fulfilment_status, created_at, id);
create index orders_unfinished on orders (lease_until) where step <> 'done';
