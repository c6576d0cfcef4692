drop table if exists bootstrap;
