create table if not exists login_failure (
    -- Keyed hash of the address that somebody tried to log in with, base64url; there may be no such user.
    account varchar(64) not null,
    -- Where from: an IPv4 address or the first half of an IPv6 address; empty for all places together from which nobody
    -- ever logged in to the account.
    place varchar(64) not null,
    -- Since the last success.
    failures bigint not null,
    last_at bigint not null,
    constraint login_failure_pk primary key (account, place),
    constraint login_failure_failures check (failures >= 1),
    key login_failure_last_at (last_at)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
