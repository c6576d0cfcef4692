-- A hold resolves at most once: the database itself refuses the second row.
create table resolution (
    pending_id text not null,
    transfer_id text not null,
    constraint resolution_pk primary key (pending_id),
    constraint resolution_transfer unique (transfer_id)
) strict, without rowid;
