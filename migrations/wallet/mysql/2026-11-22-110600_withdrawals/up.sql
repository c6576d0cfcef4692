create table if not exists withdrawal (
    id varchar(64) not null,
    user_id varchar(64) not null,
    amount bigint not null,
    currency char(3) not null,
    state varchar(32) not null,
    reason text,
    hold_id varchar(64) not null,
    transfer_id varchar(64),
    decided_by varchar(64),
    created_at bigint not null,
    decided_at bigint,
    constraint withdrawal_pk primary key (id),
    constraint withdrawal_hold unique (hold_id),
    constraint withdrawal_amount check (amount > 0),
    constraint withdrawal_state check (state = 'pending' or state = 'paid' or state = 'rejected'),
    constraint withdrawal_posted check ((state = 'pending') = (transfer_id is null)),
    constraint withdrawal_decided check (
        (state = 'pending') = (decided_by is null) and (state = 'pending') = (decided_at is null)
    ),
    key withdrawal_created (created_at, id),
    key withdrawal_user (user_id, created_at, id),
    key withdrawal_user_state (user_id, state, created_at, id),
    key withdrawal_pending (state, created_at, id)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
