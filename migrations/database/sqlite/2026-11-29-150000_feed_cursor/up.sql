create table feed_cursor (
    -- Whose events.
    feed text not null,
    -- The last one whose effect is here.
    number integer not null,
    constraint feed_cursor_pk primary key (feed),
    constraint feed_cursor_number check (number >= 0)
) strict, without rowid;
