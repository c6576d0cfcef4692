create table code (
    purpose text not null,
    user_id text not null,
    -- Whether it was asked for where the user logged in before: strangers have a code and a count of their own.
    known integer not null,
    -- Keyed hash, base64url; empty when there is no code that is good.
    hash text not null,
    expires_at integer not null,
    -- Wrong ones since it was sent.
    tries integer not null,
    sent_at integer not null,
    -- How many were sent since the day began that counts.
    sends integer not null,
    day_at integer not null,
    constraint code_pk primary key (purpose, user_id, known),
    constraint code_user foreign key (user_id) references users (id),
    constraint code_known check (known in (0, 1)),
    constraint code_tries check (tries between 0 and 5),
    constraint code_sends check (sends between 1 and 10)
) strict, without rowid;
create index code_user_id on code (user_id);
