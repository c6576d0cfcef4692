create table if not exists code (
    purpose varchar(32) not null,
    user_id varchar(64) not null,
    -- Whether it was asked for where the user logged in before: strangers have a code and a count of their own.
    known integer not null,
    -- Keyed hash, base64url; empty when there is no code that is good.
    hash varchar(64) not null,
    expires_at bigint not null,
    -- Wrong ones since it was sent.
    tries bigint not null,
    sent_at bigint not null,
    -- How many were sent since the day began that counts.
    sends bigint not null,
    day_at bigint not null,
    constraint code_pk primary key (purpose, user_id, known),
    constraint code_user foreign key (user_id) references users (id),
    constraint code_known check (known in (0, 1)),
    constraint code_tries check (tries between 0 and 5),
    constraint code_sends check (sends between 1 and 10),
    key code_user_id (user_id)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
