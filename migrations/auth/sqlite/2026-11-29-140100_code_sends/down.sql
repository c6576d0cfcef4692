-- One was sent, on a day that is over.
alter table code add column sends integer not null default 1
    constraint code_sends check (sends between 1 and 10);
alter table code add column day_at integer not null default 0;
