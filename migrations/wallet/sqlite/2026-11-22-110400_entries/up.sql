-- A chain for each account, by version and without gaps: a lost update would be a key that is taken.
create table entry (
    account_id text not null,
    account_version integer not null,
    transfer_id text not null,
    side text not null,
    amount integer not null,
    -- Credits less debits, posted.
    balance_after integer not null,
    held_after integer not null,
    created_at integer not null,
    constraint entry_pk primary key (account_id, account_version),
    constraint entry_version check (account_version > 0),
    constraint entry_side check (side in ('debit', 'credit')),
    constraint entry_amount check (amount > 0),
    constraint entry_held check (held_after >= 0)
) strict, without rowid;
create index entry_transfer on entry (transfer_id);
