drop table if exists search_term;
