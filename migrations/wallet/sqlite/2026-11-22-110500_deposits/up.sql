create table deposit (
    id text not null,
    user_id text not null,
    amount integer not null,
    currency text not null,
    state text not null,
    reason text,
    transfer_id text,
    decided_by text,
    created_at integer not null,
    decided_at integer,
    constraint deposit_pk primary key (id),
    constraint deposit_amount check (amount > 0),
    constraint deposit_state check (state = 'pending' or state = 'confirmed' or state = 'rejected'),
    constraint deposit_posted check ((state = 'confirmed') = (transfer_id is not null)),
    constraint deposit_decided check (
        (state = 'pending') = (decided_by is null) and (state = 'pending') = (decided_at is null)
    )
) strict, without rowid;
create index deposit_created on deposit (created_at, id);
create index deposit_user on deposit (user_id, created_at, id);
create index deposit_user_state on deposit (user_id, state, created_at, id);
create index deposit_pending on deposit (state, created_at, id);
