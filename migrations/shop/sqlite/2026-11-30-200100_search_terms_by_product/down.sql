drop index search_term_by_product;
create index search_term_by_product on search_term (product);
