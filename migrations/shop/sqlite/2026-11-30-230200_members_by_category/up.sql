create index product_category_by_created on product_category (category, status, created_at, product);
create index product_category_by_title on product_category (category, status, title, product);
create index product_category_by_price on product_category (category, status, price_from, product);
