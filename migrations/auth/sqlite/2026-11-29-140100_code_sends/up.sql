-- Each code that is sent has a row of its own in code_sent.
alter table code drop constraint code_sends;
alter table code drop column sends;
alter table code drop column day_at;
