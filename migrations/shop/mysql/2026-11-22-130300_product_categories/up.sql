create table if not exists product_category (
    product varchar(64) not null,
    category varchar(64) not null,
    constraint product_category_pk primary key (product, category),
    constraint product_category_product foreign key (product) references product (id),
    constraint product_category_category foreign key (category) references category (id),
    key product_category_by_category (category, product)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
