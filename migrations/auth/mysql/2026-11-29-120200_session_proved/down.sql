alter table sessions
    drop constraint sessions_proved,
    drop column proved;
