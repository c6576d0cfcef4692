create table if not exists address (
    id varchar(64) not null,
    user_id varchar(64) not null,
    -- Who receives what is sent there.
    name varchar(100) not null,
    company varchar(100),
    line1 varchar(200) not null,
    line2 varchar(200),
    city varchar(100) not null,
    region varchar(100),
    postal_code varchar(20),
    -- ISO 3166-1 alpha-2.
    country varchar(2) not null,
    phone varchar(32),
    -- At most one of a user's, each; whoever changes them holds the user's row.
    is_default_shipping integer not null,
    is_default_billing integer not null,
    version bigint not null,
    created_at bigint not null,
    updated_at bigint not null,
    constraint address_pk primary key (id),
    constraint address_user foreign key (user_id) references users (id),
    constraint address_country check (char_length(country) = 2),
    constraint address_default_shipping check (is_default_shipping in (0, 1)),
    constraint address_default_billing check (is_default_billing in (0, 1)),
    constraint address_version check (version >= 1),
    key address_user_created_at (user_id, created_at, id)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
