create table if not exists code_sent (
    user_id varchar(64) not null,
    purpose varchar(32) not null,
    -- Whether it was asked for where the user logged in before.
    known integer not null,
    sent_at bigint not null,
    constraint code_sent_pk primary key (user_id, purpose, known, sent_at),
    constraint code_sent_user foreign key (user_id) references users (id),
    constraint code_sent_known check (known in (0, 1)),
    key code_sent_by_age (sent_at)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
