alter table product_category
    add key product_category_by_created (category, status, created_at, product),
    add key product_category_by_title (category, status, title, product),
    add key product_category_by_price (category, status, price_from, product);
