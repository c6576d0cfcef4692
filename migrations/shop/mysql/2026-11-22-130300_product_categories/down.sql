drop table if exists product_category;
