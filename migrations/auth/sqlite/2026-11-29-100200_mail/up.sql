create table mail (
    id text not null,
    -- To whom and what, encrypted: it may hold a code.
    sealed text not null,
    attempts integer not null,
    -- When it is tried next.
    due_at integer not null,
    created_at integer not null,
    constraint mail_pk primary key (id)
) strict;
create index mail_due_at on mail (due_at);
