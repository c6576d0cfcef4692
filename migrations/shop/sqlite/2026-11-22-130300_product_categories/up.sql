create table product_category (
    product text not null,
    category text not null,
    constraint product_category_pk primary key (product, category),
    constraint product_category_product foreign key (product) references product (id),
    constraint product_category_category foreign key (category) references category (id)
) strict, without rowid;
create index product_category_by_category on product_category (category, product);
