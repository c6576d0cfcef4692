create table outbox (
    seq integer not null,
    -- Given after commit, in the order in which consumers see the event.
    number integer,
    topic text not null,
    subject text not null,
    body text not null,
    created_at integer not null,
    constraint outbox_pk primary key (seq autoincrement),
    constraint outbox_number unique (number)
) strict;
create index outbox_unnumbered on outbox (seq) where number is null;
create index outbox_created_at on outbox (created_at);
