//! The SKUs of a product in their table. A SKU belongs to the product that had it first, for ever.

use std::collections::{HashMap, HashSet};

use emporium_database::prelude::*;
use emporium_database::{Db, refuse};
use emporium_inventory_api::Sku;
use emporium_kernel::{Money, Timestamp};
use emporium_shop_api::ProductId;

use super::SkuDraft;
use super::load::column;
use crate::ShopError;
use crate::error::Done;
use crate::schema::skus;

/// The lowest price, for sorting.
pub(crate) fn price_from(wanted: &[SkuDraft]) -> i64 {
    wanted.iter().map(|sku| sku.price.amount()).min().unwrap_or(0)
}

/// Makes `wanted` the SKUs of a product, in this order: new ones are added, known ones changed and revived, those left
/// out archived. Answers those that are new. One that another product has or had is refused.
pub(crate) fn put(db: &mut Db, product: &ProductId, wanted: &[SkuDraft], now: Timestamp) -> Done<Vec<Sku>> {
    refuse_twice(wanted)?;
    let owners = owners(db, wanted)?;
    let mut created = Vec::new();
    for (position, sku) in (0..).zip(wanted) {
        match owners.get(sku.sku.as_str()) {
            Some(owner) if owner == product.as_str() => change(db, sku, position)?,
            Some(_) => return refuse(ShopError::SkuTaken { sku: sku.sku.to_string() }),
            None => {
                insert(db, product, sku, position, now)?;
                created.push(sku.sku.clone());
            }
        }
    }
    Ok(created)
}

/// Archives the SKUs of a product that are not `wanted`; they stay its own.
pub(crate) fn archive_others(db: &mut Db, product: &ProductId, wanted: &[SkuDraft]) -> Done<()> {
    let wanted: Vec<&str> = wanted.iter().map(|sku| sku.sku.as_str()).collect();
    let others = skus::product.eq(product.as_str()).and(skus::archived.eq(0)).and(skus::sku.ne_all(wanted));
    diesel::update(skus::table.filter(others)).set(skus::archived.eq(1)).execute(db)?;
    Ok(())
}

fn refuse_twice(wanted: &[SkuDraft]) -> Done<()> {
    let mut seen = HashSet::new();
    match wanted.iter().find(|sku| !seen.insert(sku.sku.as_str())) {
        Some(twice) => refuse(ShopError::SkuTaken { sku: twice.sku.to_string() }),
        None if wanted.is_empty() => refuse(ShopError::Empty),
        None => Ok(()),
    }
}

fn owners(db: &mut Db, wanted: &[SkuDraft]) -> Done<HashMap<String, String>> {
    let names = wanted.iter().map(|sku| sku.sku.as_str());
    let rows: Vec<(String, String)> =
        skus::table.filter(skus::sku.eq_any(names)).select((skus::sku, skus::product)).load(db)?;
    Ok(rows.into_iter().collect())
}

fn insert(db: &mut Db, product: &ProductId, sku: &SkuDraft, position: i64, now: Timestamp) -> Done<()> {
    let row = (
        skus::sku.eq(sku.sku.as_str()),
        skus::product.eq(product.as_str()),
        skus::position.eq(position),
        skus::title.eq(&sku.title),
        skus::options.eq(column(&sku.options)?),
        skus::amount.eq(sku.price.amount()),
        skus::currency.eq(sku.price.currency().code()),
        skus::compare_at.eq(sku.compare_at.map(Money::amount)),
        skus::barcode.eq(&sku.barcode),
        skus::grams.eq(sku.grams),
        skus::image.eq(&sku.image),
        skus::extra.eq(column(&sku.extra)?),
        skus::archived.eq(0),
        skus::created_at.eq(now.micros()),
    );
    diesel::insert_into(skus::table).values(row).execute(db)?;
    Ok(())
}

fn change(db: &mut Db, sku: &SkuDraft, position: i64) -> Done<()> {
    let row = (
        skus::position.eq(position),
        skus::title.eq(&sku.title),
        skus::options.eq(column(&sku.options)?),
        skus::amount.eq(sku.price.amount()),
        skus::currency.eq(sku.price.currency().code()),
        skus::compare_at.eq(sku.compare_at.map(Money::amount)),
        skus::barcode.eq(&sku.barcode),
        skus::grams.eq(sku.grams),
        skus::image.eq(&sku.image),
        skus::extra.eq(column(&sku.extra)?),
        skus::archived.eq(0),
    );
    diesel::update(skus::table.filter(skus::sku.eq(sku.sku.as_str()))).set(row).execute(db)?;
    Ok(())
}
