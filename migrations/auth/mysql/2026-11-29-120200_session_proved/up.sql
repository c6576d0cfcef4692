-- Whether a second factor was shown when the session began, or since.
alter table sessions
    add column proved integer not null default 0,
    add constraint sessions_proved check (proved in (0, 1));
