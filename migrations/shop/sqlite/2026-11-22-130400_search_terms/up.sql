create table search_term (
    term text not null,
    product text not null,
    -- How much a match counts: title before category before description.
    weight integer not null,
    constraint search_term_pk primary key (term, product),
    constraint search_term_product foreign key (product) references product (id)
) strict, without rowid;
create index search_term_by_product on search_term (product);
