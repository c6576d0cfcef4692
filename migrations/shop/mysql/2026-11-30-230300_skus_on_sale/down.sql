alter table skus
    drop key sku_by_product,
    add key sku_by_product (product, position);
