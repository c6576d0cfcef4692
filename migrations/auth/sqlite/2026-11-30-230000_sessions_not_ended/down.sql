drop index sessions_user_created_at;
create index sessions_user_created_at on sessions (user_id, created_at, id);
