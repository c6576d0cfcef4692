create table if not exists search_term (
    term varchar(64) not null,
    product varchar(64) not null,
    -- How much a match counts: title before category before description.
    weight bigint not null,
    constraint search_term_pk primary key (term, product),
    constraint search_term_product foreign key (product) references product (id),
    key search_term_by_product (product)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
