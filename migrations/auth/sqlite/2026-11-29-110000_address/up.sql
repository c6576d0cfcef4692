create table address (
    id text not null,
    user_id text not null,
    -- Who receives what is sent there.
    name text not null,
    company text,
    line1 text not null,
    line2 text,
    city text not null,
    region text,
    postal_code text,
    -- ISO 3166-1 alpha-2.
    country text not null,
    phone text,
    -- At most one of a user's, each; whoever changes them holds the user's row.
    is_default_shipping integer not null,
    is_default_billing integer not null,
    version integer not null,
    created_at integer not null,
    updated_at integer not null,
    constraint address_pk primary key (id),
    constraint address_user foreign key (user_id) references users (id),
    constraint address_country check (length(country) = 2),
    constraint address_default_shipping check (is_default_shipping in (0, 1)),
    constraint address_default_billing check (is_default_billing in (0, 1)),
    constraint address_version check (version >= 1)
) strict;
create index address_user_created_at on address (user_id, created_at, id);
