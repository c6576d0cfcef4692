create table if not exists level (
    sku varchar(64) not null,
    location varchar(64) not null,
    on_hand bigint not null,
    reserved bigint not null,
    -- Counts the changes; each wrote the movement with the same version.
    version bigint not null,
    constraint level_pk primary key (sku, location),
    constraint level_reserved check (reserved >= 0 and reserved <= on_hand),
    constraint level_on_hand check (on_hand >= 0 and on_hand <= 1000000000),
    constraint level_version check (version >= 0),
    key level_location (location, sku)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
