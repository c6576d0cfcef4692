alter table product_category drop column created_at;
alter table product_category drop column price_from;
alter table product_category drop column title;
alter table product_category drop column status;
