create table code_sent (
    user_id text not null,
    purpose text not null,
    -- Whether it was asked for where the user logged in before.
    known integer not null,
    sent_at integer not null,
    constraint code_sent_pk primary key (user_id, purpose, known, sent_at),
    constraint code_sent_user foreign key (user_id) references users (id),
    constraint code_sent_known check (known in (0, 1))
) strict, without rowid;
create index code_sent_by_age on code_sent (sent_at);
