create table withdrawal (
    id text not null,
    user_id text not null,
    amount integer not null,
    currency text not null,
    state text not null,
    reason text,
    hold_id text not null,
    transfer_id text,
    decided_by text,
    created_at integer not null,
    decided_at integer,
    constraint withdrawal_pk primary key (id),
    constraint withdrawal_hold unique (hold_id),
    constraint withdrawal_amount check (amount > 0),
    constraint withdrawal_state check (state = 'pending' or state = 'paid' or state = 'rejected'),
    constraint withdrawal_posted check ((state = 'pending') = (transfer_id is null)),
    constraint withdrawal_decided check (
        (state = 'pending') = (decided_by is null) and (state = 'pending') = (decided_at is null)
    )
) strict, without rowid;
create index withdrawal_created on withdrawal (created_at, id);
create index withdrawal_user on withdrawal (user_id, created_at, id);
create index withdrawal_user_state on withdrawal (user_id, state, created_at, id);
create index withdrawal_pending on withdrawal (state, created_at, id);
