-- Leads to those of a user that have not ended, past the others, which are kept for a while.
drop index sessions_user_created_at;
create index sessions_user_created_at on sessions (user_id, ended_at, created_at, id);
