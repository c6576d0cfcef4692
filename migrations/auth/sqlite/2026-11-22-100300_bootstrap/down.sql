drop table bootstrap;
