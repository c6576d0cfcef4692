//! What can be bought: the SKUs of active products, as an order copies them.

use emporium_database::prelude::*;
use emporium_database::{Db, Failure, KeptList, few_lengths};
use emporium_inventory_api::Sku;
use emporium_kernel::{Currency, Money};
use emporium_shop_api::ProductId;

use super::Status;
use crate::error::Done;
use crate::schema::{product, skus};

/// A SKU that can be bought, with what an order line copies of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sellable {
    /// The SKU.
    pub sku: Sku,
    /// Its product.
    pub product: ProductId,
    /// The product's title, and the SKU's own behind it when it has one.
    pub title: String,
    /// Its price now.
    pub price: Money,
    /// The user who supplies it; `None` for the store itself.
    pub supplier: Option<String>,
}

/// Those of `wanted` that are not archived and belong to an active product. The others are absent.
pub(crate) fn sellable(db: &mut Db, wanted: &[Sku]) -> Done<Vec<Sellable>> {
    type Row = (String, String, String, String, i64, String, Option<String>);
    let names: Vec<&str> = wanted.iter().map(Sku::as_str).collect();
    // What is not active is named, since for what is there is an index, and a planner that takes it reads every product.
    let active = product::status.ne(Status::Draft.name()).and(product::status.ne(Status::Archived.name()));
    let found = skus::table
        .inner_join(product::table.on(product::id.eq(skus::product)))
        .filter(skus::sku.eq_any(few_lengths(&names)))
        .filter(skus::archived.eq(0).and(active))
        .select((skus::sku, product::id, product::title, skus::title, skus::amount, skus::currency, product::supplier));
    let rows: Vec<Row> = KeptList(found).load(db)?;
    rows.into_iter()
        .map(|(sku, id, title, variant, amount, currency, supplier)| {
            let title = full_title(&title, &variant);
            let price = stored_money(amount, &currency)?;
            Ok(Sellable { sku: Sku::stored(sku), product: ProductId::stored(id), title, price, supplier })
        })
        .collect()
}

/// What a variant is called by itself: the product's title, and its own behind it when it has one.
pub(crate) fn full_title(product: &str, variant: &str) -> String {
    if variant.is_empty() { product.to_owned() } else { format!("{product} - {variant}") }
}

/// An amount and a currency as they are stored.
pub(crate) fn stored_money(amount: i64, currency: &str) -> Done<Money> {
    let money = Currency::parse(currency).and_then(|currency| Money::new(amount, currency).ok());
    money.ok_or_else(|| Failure::corrupt(format!("price of {amount} {currency}")))
}
