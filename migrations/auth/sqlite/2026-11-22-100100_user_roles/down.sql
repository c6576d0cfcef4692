drop table user_roles;
