create table if not exists idempotency (
    scope varchar(64) not null,
    `key` varchar(255) not null,
    fingerprint varchar(64) not null,
    -- What the first request was answered with, or what its answer is rendered from.
    status integer,
    body mediumtext,
    target varchar(64),
    created_at bigint not null,
    constraint idempotency_pk primary key (scope, `key`),
    constraint idempotency_answer check ((status is null) = (body is null) and (status is null) <> (target is null)),
    key idempotency_created_at (created_at)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
