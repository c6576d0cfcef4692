create table hold (
    id text not null,
    account_id text not null,
    -- Where the payee is known from the start.
    payee_account text,
    amount integer not null,
    currency text not null,
    state text not null,
    reason text not null,
    reference text not null,
    -- Why it was refused.
    refusal text,
    -- SHA-256 of what was asked for.
    fingerprint text not null,
    -- When the sweeper ends a hold or forgets a tombstone; null for what is kept until somebody decides.
    expires_at integer,
    created_at integer not null,
    constraint hold_pk primary key (id),
    constraint hold_state check (
        state = 'held' or state = 'captured' or state = 'voided' or state = 'expired' or state = 'refused'
            or state = 'tombstone'
    ),
    constraint hold_amount check (amount > 0 or (amount = 0 and state = 'tombstone')),
    constraint hold_reason check (reason in ('order', 'withdrawal')),
    constraint hold_refusal check ((state = 'refused') = (refusal is not null))
) strict, without rowid;
create index hold_expiry on hold (state, expires_at);
create index hold_account on hold (account_id, state);
create index hold_payee on hold (payee_account, state) where payee_account is not null;
