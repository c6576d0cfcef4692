update product_category set status = '', title = '', price_from = 0, created_at = 0;
