alter table product_category
    drop column created_at,
    drop column price_from,
    drop column title,
    drop column status;
