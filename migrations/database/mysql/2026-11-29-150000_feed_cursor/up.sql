create table if not exists feed_cursor (
    -- Whose events.
    feed varchar(64) not null,
    -- The last one whose effect is here.
    number bigint not null,
    constraint feed_cursor_pk primary key (feed),
    constraint feed_cursor_number check (number >= 0)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
