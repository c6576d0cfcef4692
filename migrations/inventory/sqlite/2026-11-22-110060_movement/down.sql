drop table movement;
