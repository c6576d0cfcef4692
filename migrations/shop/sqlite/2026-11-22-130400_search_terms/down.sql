drop table search_term;
