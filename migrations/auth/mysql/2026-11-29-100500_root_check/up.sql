create table if not exists root_check (
    -- There is one secret.
    id integer not null,
    -- A keyed hash of a constant, base64url: whether a process has the secret that this database was written with.
    hash varchar(64) not null,
    constraint root_check_pk primary key (id),
    constraint root_check_single check (id = 1)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
