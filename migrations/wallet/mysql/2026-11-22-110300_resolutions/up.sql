-- A hold resolves at most once: the database itself refuses the second row.
create table if not exists resolution (
    pending_id varchar(64) not null,
    transfer_id varchar(64) not null,
    constraint resolution_pk primary key (pending_id),
    constraint resolution_transfer unique (transfer_id)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
