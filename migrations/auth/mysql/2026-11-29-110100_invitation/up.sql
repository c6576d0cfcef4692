create table if not exists invitation (
    id varchar(64) not null,
    -- Lower case; an address has one invitation at most, and no user when it is made.
    email varchar(254) not null,
    -- What the user may do, separated by commas.
    roles varchar(64) not null,
    -- The admin who made it.
    invited_by varchar(64) not null,
    -- SHA-256, base64url.
    token_hash varchar(64) not null,
    created_at bigint not null,
    expires_at bigint not null,
    constraint invitation_pk primary key (id),
    constraint invitation_email unique (email),
    constraint invitation_token_hash unique (token_hash),
    constraint invitation_email_length check (char_length(email) between 3 and 254),
    constraint invitation_roles check (char_length(roles) >= 1),
    constraint invitation_hash_length check (char_length(token_hash) = 43),
    constraint invitation_expiry check (expires_at > created_at),
    key invitation_created_at (created_at, id),
    key invitation_expires_at (expires_at)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
