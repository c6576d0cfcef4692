-- One was sent, on a day that is over.
alter table code
    add column sends bigint not null default 1,
    add column day_at bigint not null default 0,
    add constraint code_sends check (sends between 1 and 10);
