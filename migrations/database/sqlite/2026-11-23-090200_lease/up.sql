create table lease (
    name text not null,
    -- Microseconds; from then on another instance may have it.
    lease_until integer not null,
    constraint lease_pk primary key (name)
) strict, without rowid;
