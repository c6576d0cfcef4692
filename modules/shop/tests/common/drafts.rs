//! Products as a file gives them.

use std::collections::BTreeMap;

use emporium_inventory_api::Sku;
use emporium_kernel::{Currency, Money};
use emporium_shop::catalogue::{ProductDraft, SkuDraft, Slug, Status};

/// One SKU and its price in cents.
pub fn variant(sku: &str, cents: i64) -> SkuDraft {
    SkuDraft {
        sku: Sku::parse(sku).expect("a SKU"),
        title: String::new(),
        options: vec![],
        price: Money::new(cents, Currency::USD).expect("a price"),
        compare_at: None,
        barcode: String::new(),
        grams: 0,
        image: String::new(),
        extra: BTreeMap::from([("Variant Tax Code".to_owned(), "T1".to_owned())]),
    }
}

/// An active product with some SKUs.
pub fn draft(slug: &str, title: &str, skus: &[(&str, i64)]) -> ProductDraft {
    ProductDraft {
        slug: Slug::parse(slug),
        title: title.to_owned(),
        description: String::new(),
        vendor: String::new(),
        kind: String::new(),
        tags: vec![],
        status: Status::Active,
        supplier: None,
        options: vec![],
        images: vec![],
        categories: vec![],
        skus: skus.iter().map(|(sku, cents)| variant(sku, *cents)).collect(),
        extra: BTreeMap::from([("SEO Title".to_owned(), "x".to_owned())]),
    }
}
