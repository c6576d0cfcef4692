create table idempotency (
    scope text not null,
    key text not null,
    fingerprint text not null,
    -- What the first request was answered with, or what its answer is rendered from.
    status integer,
    body text,
    target text,
    created_at integer not null,
    constraint idempotency_pk primary key (scope, key),
    constraint idempotency_answer check ((status is null) = (body is null) and (status is null) <> (target is null))
) strict, without rowid;
create index idempotency_created_at on idempotency (created_at);
