-- A chain for each account, by version and without gaps: a lost update would be a key that is taken.
create table if not exists entry (
    account_id varchar(64) not null,
    account_version bigint not null,
    transfer_id varchar(64) not null,
    side varchar(32) not null,
    amount bigint not null,
    -- Credits less debits, posted.
    balance_after bigint not null,
    held_after bigint not null,
    created_at bigint not null,
    constraint entry_pk primary key (account_id, account_version),
    constraint entry_version check (account_version > 0),
    constraint entry_side check (side in ('debit', 'credit')),
    constraint entry_amount check (amount > 0),
    constraint entry_held check (held_after >= 0),
    key entry_transfer (transfer_id)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
