alter table sessions
    drop key sessions_user_created_at,
    add key sessions_user_created_at (user_id, created_at, id);
