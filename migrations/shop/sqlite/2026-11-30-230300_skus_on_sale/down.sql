drop index sku_by_product;
create index sku_by_product on skus (product, position);
