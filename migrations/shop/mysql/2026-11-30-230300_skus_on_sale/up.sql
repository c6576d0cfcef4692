-- Leads past archived SKUs, which stay for ever and may be very many.
alter table skus
    drop key sku_by_product,
    add key sku_by_product (product, archived, position, sku);
