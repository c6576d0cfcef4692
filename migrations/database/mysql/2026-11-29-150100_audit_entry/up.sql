create table if not exists audit_entry (
    -- Without gaps, from 1.
    seq bigint not null,
    -- Names the entry, so that it is written once.
    id varchar(64) not null,
    at bigint not null,
    -- A user id, or who else.
    actor varchar(64) not null,
    action varchar(64) not null,
    subject varchar(255) not null,
    -- JSON.
    detail mediumtext not null,
    request varchar(64) not null,
    -- SHA-256 of the hash before and of everything above, base64url.
    hash varchar(64) not null,
    constraint audit_entry_pk primary key (seq),
    constraint audit_entry_id unique (id),
    constraint audit_entry_hash_length check (char_length(hash) = 43)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
