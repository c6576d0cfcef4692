drop index product_category_by_price;
drop index product_category_by_title;
drop index product_category_by_created;
