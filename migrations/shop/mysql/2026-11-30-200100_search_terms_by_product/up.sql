-- Holds all of an entry, so that the entries of a product are read from it alone.
alter table search_term
    drop key search_term_by_product,
    add key search_term_by_product (product, term, weight);
