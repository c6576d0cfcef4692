create table if not exists lease (
    name varchar(64) not null,
    -- Microseconds; from then on another instance may have it.
    lease_until bigint not null,
    constraint lease_pk primary key (name)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
