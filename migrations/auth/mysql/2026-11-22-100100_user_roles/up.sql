create table if not exists user_roles (
    user_id varchar(64) not null,
    role varchar(32) not null,
    constraint user_roles_pk primary key (user_id, role),
    constraint user_roles_user foreign key (user_id) references users (id),
    constraint user_roles_role check (role = 'customer' or role = 'supplier' or role = 'staff' or role = 'admin'),
    key user_roles_role (role)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
