create table address_claim (
    -- SHA-256 of what the claimant was given, base64url.
    id text not null,
    -- Whose address it is to be; null for a user to be.
    user_id text,
    email text not null,
    name text,
    password_hash text,
    -- Where it was made.
    place text not null,
    -- Keyed hash of the code that was mailed, base64url; empty when there is none.
    code_hash text not null,
    -- Whether the code was mailed, or it was decided not to.
    answered integer not null,
    mailed_at integer,
    tries integer not null,
    created_at integer not null,
    expires_at integer not null,
    constraint address_claim_pk primary key (id),
    constraint address_claim_user foreign key (user_id) references users (id),
    constraint address_claim_answered check (answered in (0, 1)),
    constraint address_claim_tries check (tries between 0 and 5)
) strict;
create index address_claim_by_user on address_claim (user_id);
create index address_claim_by_email on address_claim (email, created_at);
create index address_claim_waiting on address_claim (answered, created_at);
create index address_claim_by_age on address_claim (created_at);
