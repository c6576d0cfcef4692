alter table search_term
    drop key search_term_by_product,
    add key search_term_by_product (product);
