create table movement (
    seq integer not null,
    sku text not null,
    location text not null,
    -- Runs 1, 2, 3 ... for each SKU and location; a lost update would be a duplicate here.
    version integer not null,
    kind text not null,
    delta_on_hand integer not null,
    delta_reserved integer not null,
    on_hand integer not null,
    reserved integer not null,
    cause_kind text not null,
    cause text not null,
    actor text,
    reason text,
    at integer not null,
    constraint movement_pk primary key (seq autoincrement),
    constraint movement_version unique (sku, location, version),
    constraint movement_kind check (
        kind = 'receive' or kind = 'adjust' or kind = 'reserve' or kind = 'release' or kind = 'commit'
            or kind = 'return' or kind = 'expire' or kind = 'transfer_out' or kind = 'transfer_in'
    ),
    constraint movement_cause_kind check (
        cause_kind = 'order' or cause_kind = 'adjustment' or cause_kind = 'transfer'
    ),
    constraint movement_result check (reserved >= 0 and reserved <= on_hand),
    constraint movement_change check (delta_on_hand <> 0 or delta_reserved <> 0)
) strict;
create index movement_sku on movement (sku, seq);
create index movement_location on movement (location, seq);
create index movement_kind on movement (kind, seq);
create index movement_cause on movement (cause, seq);
