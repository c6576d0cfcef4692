update product_category m
    join product p on p.id = m.product
set m.status = p.status, m.title = p.title, m.price_from = p.price_from, m.created_at = p.created_at;
