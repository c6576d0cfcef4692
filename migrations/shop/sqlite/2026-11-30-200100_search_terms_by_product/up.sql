-- Holds all of an entry, so that the entries of a product are read from it alone.
drop index search_term_by_product;
create index search_term_by_product on search_term (product, term, weight);
