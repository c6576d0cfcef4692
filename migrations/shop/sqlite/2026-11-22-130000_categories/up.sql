create table category (
    id text not null,
    slug text not null,
    name text not null,
    parent text,
    position integer not null,
    version integer not null,
    created_at integer not null,
    constraint category_pk primary key (id),
    constraint category_slug unique (slug),
    constraint category_parent foreign key (parent) references category (id)
) strict;
create index category_by_parent on category (parent, position);
