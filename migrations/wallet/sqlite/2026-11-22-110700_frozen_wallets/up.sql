-- Whose accounts are frozen, those not opened yet included.
create table frozen_wallet (
    owner text not null,
    reason text,
    actor text not null,
    created_at integer not null,
    constraint frozen_wallet_pk primary key (owner)
) strict, without rowid;
