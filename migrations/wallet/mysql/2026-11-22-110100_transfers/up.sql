create table if not exists transfer (
    -- Of a hold: the id of the hold.
    id varchar(64) not null,
    kind varchar(32) not null,
    debit_account varchar(64) not null,
    -- Null where the payees are not known yet or are several; the entries name them.
    credit_account varchar(64),
    amount bigint not null,
    currency char(3) not null,
    -- The hold that this transfer resolves.
    pending_id varchar(64),
    reason varchar(32) not null,
    -- The deposit, withdrawal or order.
    reference varchar(64),
    note text,
    outcome varchar(32) not null,
    refusal text,
    actor varchar(64) not null,
    created_at bigint not null,
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
    ),
    key transfer_pending (pending_id)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
