create table if not exists outbox (
    seq bigint not null auto_increment,
    -- Given after commit, in the order in which consumers see the event.
    number bigint,
    topic varchar(64) not null,
    subject varchar(64) not null,
    body mediumtext not null,
    created_at bigint not null,
    constraint outbox_pk primary key (seq),
    constraint outbox_number unique (number),
    key outbox_created_at (created_at)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
