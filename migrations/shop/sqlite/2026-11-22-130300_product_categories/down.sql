drop table product_category;
