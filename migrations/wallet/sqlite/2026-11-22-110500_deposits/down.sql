drop table deposit;
