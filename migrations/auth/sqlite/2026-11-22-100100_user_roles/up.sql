create table user_roles (
    user_id text not null,
    role text not null,
    constraint user_roles_pk primary key (user_id, role),
    constraint user_roles_user foreign key (user_id) references users (id),
    constraint user_roles_role check (role = 'customer' or role = 'supplier' or role = 'staff' or role = 'admin')
) strict, without rowid;
create index user_roles_role on user_roles (role);
