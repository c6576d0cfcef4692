-- Each code that is sent has a row of its own in code_sent.
alter table code
    drop column sends,
    drop column day_at,
    drop constraint code_sends;
