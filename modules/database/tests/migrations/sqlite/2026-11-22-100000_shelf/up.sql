create table shelf (name text not null primary key, pieces integer not null check (pieces >= 0)) strict;
