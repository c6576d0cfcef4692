create table account (
    -- Follows from kind, owner and currency.
    id text not null,
    kind text not null,
    -- The user; empty for the accounts of the store itself.
    owner text not null,
    currency text not null,
    debits_posted integer not null,
    credits_posted integer not null,
    debits_pending integer not null,
    credits_pending integer not null,
    frozen integer not null,
    -- The number of entries.
    version integer not null,
    created_at integer not null,
    constraint account_pk primary key (id),
    constraint account_owner unique (kind, owner, currency),
    constraint account_kind check (
        kind = 'user' or kind = 'store' or kind = 'cash_in' or kind = 'cash_out' or kind = 'adjustments'
    ),
    constraint account_owned check ((kind = 'user') = (owner <> '')),
    constraint account_counters check (
        debits_posted >= 0 and credits_posted >= 0 and debits_pending >= 0 and credits_pending >= 0
    ),
    constraint account_covered check (kind <> 'user' or debits_posted + debits_pending <= credits_posted),
    constraint account_countable check (
        credits_posted - debits_posted between -9007199254740991 and 9007199254740991
    ),
    constraint account_frozen check (frozen = 0 or (frozen = 1 and kind = 'user')),
    constraint account_version check (version >= 0)
) strict, without rowid;
