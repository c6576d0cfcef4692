create table if not exists account (
    -- Follows from kind, owner and currency.
    id varchar(64) not null,
    kind varchar(32) not null,
    -- The user; empty for the accounts of the store itself.
    owner varchar(64) not null,
    currency char(3) not null,
    debits_posted bigint not null,
    credits_posted bigint not null,
    debits_pending bigint not null,
    credits_pending bigint not null,
    frozen integer not null,
    -- The number of entries.
    version bigint not null,
    created_at bigint not null,
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
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
