create table if not exists hold (
    id varchar(64) not null,
    account_id varchar(64) not null,
    -- Where the payee is known from the start.
    payee_account varchar(64),
    amount bigint not null,
    currency char(3) not null,
    state varchar(32) not null,
    reason varchar(32) not null,
    reference varchar(64) not null,
    -- Why it was refused.
    refusal text,
    -- SHA-256 of what was asked for.
    fingerprint varchar(64) not null,
    -- When the sweeper ends a hold or forgets a tombstone; null for what is kept until somebody decides.
    expires_at bigint,
    created_at bigint not null,
    constraint hold_pk primary key (id),
    constraint hold_state check (
        state = 'held' or state = 'captured' or state = 'voided' or state = 'expired' or state = 'refused'
            or state = 'tombstone'
    ),
    constraint hold_amount check (amount > 0 or (amount = 0 and state = 'tombstone')),
    constraint hold_reason check (reason in ('order', 'withdrawal')),
    constraint hold_refusal check ((state = 'refused') = (refusal is not null)),
    key hold_expiry (state, expires_at),
    key hold_account (account_id, state),
    key hold_payee (payee_account, state)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
