create table invitation (
    id text not null,
    -- Lower case; an address has one invitation at most, and no user when it is made.
    email text not null,
    -- What the user may do, separated by commas.
    roles text not null,
    -- The admin who made it.
    invited_by text not null,
    -- SHA-256, base64url.
    token_hash text not null,
    created_at integer not null,
    expires_at integer not null,
    constraint invitation_pk primary key (id),
    constraint invitation_email unique (email),
    constraint invitation_token_hash unique (token_hash),
    constraint invitation_email_length check (length(email) between 3 and 254),
    constraint invitation_roles check (length(roles) >= 1),
    constraint invitation_hash_length check (length(token_hash) = 43),
    constraint invitation_expiry check (expires_at > created_at)
) strict;
create index invitation_created_at on invitation (created_at, id);
create index invitation_expires_at on invitation (expires_at);
