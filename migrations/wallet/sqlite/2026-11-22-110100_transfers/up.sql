create table transfer (
    -- Of a hold: the id of the hold.
    id text not null,
    kind text not null,
    debit_account text not null,
    -- Null where the payees are not known yet or are several; the entries name them.
    credit_account text,
    amount integer not null,
    currency text not null,
    -- The hold that this transfer resolves.
    pending_id text,
    reason text not null,
    -- The deposit, withdrawal or order.
    reference text,
    note text,
    outcome text not null,
    refusal text,
    actor text not null,
    created_at integer not null,
    constraint transfer_pk primary key (id),
    constraint transfer_kind check (
        kind = 'post' or kind = 'hold' or kind = 'capture' or kind = 'void' or kind = 'expire'
    ),
    constraint transfer_amount check (amount > 0),
    constraint transfer_resolves check (
        (kind = 'capture' or kind = 'void' or kind = 'expire') = (pending_id is not null)
    ),
    constraint transfer_reason check (
        reason = 'deposit' or reason = 'withdrawal' or reason = 'transfer' or reason = 'order'
            or reason = 'credit' or reason = 'debit'
    ),
    constraint transfer_outcome check (
        (outcome = 'posted' and refusal is null) or (outcome = 'refused' and refusal is not null)
    )
) strict, without rowid;
create index transfer_pending on transfer (pending_id) where pending_id is not null;
