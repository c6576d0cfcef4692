-- Leads to those of a user that have not ended, past the others, which are kept for a while.
alter table sessions
    drop key sessions_user_created_at,
    add key sessions_user_created_at (user_id, ended_at, created_at, id);
