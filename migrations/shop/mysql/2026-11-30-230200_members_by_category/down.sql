alter table product_category
    drop key product_category_by_price,
    drop key product_category_by_title,
    drop key product_category_by_created;
