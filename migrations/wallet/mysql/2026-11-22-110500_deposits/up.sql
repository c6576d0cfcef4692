create table if not exists deposit (
    id varchar(64) not null,
    user_id varchar(64) not null,
    amount bigint not null,
    currency char(3) not null,
    state varchar(32) not null,
    reason text,
    transfer_id varchar(64),
    decided_by varchar(64),
    created_at bigint not null,
    decided_at bigint,
    constraint deposit_pk primary key (id),
    constraint deposit_amount check (amount > 0),
    constraint deposit_state check (state = 'pending' or state = 'confirmed' or state = 'rejected'),
    constraint deposit_posted check ((state = 'confirmed') = (transfer_id is not null)),
    constraint deposit_decided check (
        (state = 'pending') = (decided_by is null) and (state = 'pending') = (decided_at is null)
    ),
    key deposit_created (created_at, id),
    key deposit_user (user_id, created_at, id),
    key deposit_user_state (user_id, state, created_at, id),
    key deposit_pending (state, created_at, id)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
