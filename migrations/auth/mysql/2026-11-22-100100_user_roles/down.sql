drop table if exists user_roles;
