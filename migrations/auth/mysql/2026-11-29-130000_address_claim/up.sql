create table if not exists address_claim (
    -- SHA-256 of what the claimant was given, base64url.
    id varchar(64) not null,
    -- Whose address it is to be; null for a user to be.
    user_id varchar(64),
    email varchar(255) not null,
    name varchar(255),
    password_hash varchar(255),
    -- Where it was made.
    place varchar(64) not null,
    -- Keyed hash of the code that was mailed, base64url; empty when there is none.
    code_hash varchar(64) not null,
    -- Whether the code was mailed, or it was decided not to.
    answered integer not null,
    mailed_at bigint,
    tries bigint not null,
    created_at bigint not null,
    expires_at bigint not null,
    constraint address_claim_pk primary key (id),
    constraint address_claim_user foreign key (user_id) references users (id),
    constraint address_claim_answered check (answered in (0, 1)),
    constraint address_claim_tries check (tries between 0 and 5),
    key address_claim_by_user (user_id),
    key address_claim_by_email (email, created_at),
    key address_claim_waiting (answered, created_at),
    key address_claim_by_age (created_at)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
