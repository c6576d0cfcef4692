update product_category
set status = p.status, title = p.title, price_from = p.price_from, created_at = p.created_at
from product p
where p.id = product_category.product;
