create table login_failure (
    -- Keyed hash of the address that somebody tried to log in with, base64url; there may be no such user.
    account text not null,
    -- Where from: an IPv4 address or the first half of an IPv6 address; empty for all places together from which nobody
    -- ever logged in to the account.
    place text not null,
    -- Since the last success.
    failures integer not null,
    last_at integer not null,
    constraint login_failure_pk primary key (account, place),
    constraint login_failure_failures check (failures >= 1)
) strict, without rowid;
create index login_failure_last_at on login_failure (last_at);
