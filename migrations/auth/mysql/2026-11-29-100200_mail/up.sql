create table if not exists mail (
    id varchar(64) not null,
    -- To whom and what, encrypted: it may hold a code.
    sealed text not null,
    attempts bigint not null,
    -- When it is tried next.
    due_at bigint not null,
    created_at bigint not null,
    constraint mail_pk primary key (id),
    key mail_due_at (due_at)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
