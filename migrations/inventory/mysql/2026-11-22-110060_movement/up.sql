create table if not exists movement (
    seq bigint not null auto_increment,
    sku varchar(64) not null,
    location varchar(64) not null,
    -- Runs 1, 2, 3 ... for each SKU and location; a lost update would be a duplicate here.
    version bigint not null,
    kind varchar(32) not null,
    delta_on_hand bigint not null,
    delta_reserved bigint not null,
    on_hand bigint not null,
    reserved bigint not null,
    cause_kind varchar(32) not null,
    cause varchar(100) not null,
    actor varchar(64),
    reason text,
    at bigint not null,
    constraint movement_pk primary key (seq),
    constraint movement_version unique (sku, location, version),
    constraint movement_kind check (
        kind = 'receive' or kind = 'adjust' or kind = 'reserve' or kind = 'release' or kind = 'commit'
            or kind = 'return' or kind = 'expire' or kind = 'transfer_out' or kind = 'transfer_in'
    ),
    constraint movement_cause_kind check (
        cause_kind = 'order' or cause_kind = 'adjustment' or cause_kind = 'transfer'
    ),
    constraint movement_result check (reserved >= 0 and reserved <= on_hand),
    constraint movement_change check (delta_on_hand <> 0 or delta_reserved <> 0),
    key movement_sku (sku, seq),
    key movement_location (location, seq),
    key movement_kind (kind, seq),
    key movement_cause (cause, seq)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
