-- Leads past archived SKUs, which stay for ever and may be very many.
drop index sku_by_product;
create index sku_by_product on skus (product, archived, position, sku);
