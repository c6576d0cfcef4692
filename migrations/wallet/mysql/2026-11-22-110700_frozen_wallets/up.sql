-- Whose accounts are frozen, those not opened yet included.
create table if not exists frozen_wallet (
    owner varchar(64) not null,
    reason text,
    actor varchar(64) not null,
    created_at bigint not null,
    constraint frozen_wallet_pk primary key (owner)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
