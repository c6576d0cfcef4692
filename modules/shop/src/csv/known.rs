//! SKUs that the catalogue has, archived ones included, and the products they belong to.

use std::collections::HashMap;

use emporium_database::Db;
use emporium_database::prelude::*;
use emporium_inventory_api::Sku;

use crate::catalogue::Slug;
use crate::csv::reader::Read;
use crate::error::Done;
use crate::schema::{product, skus};
use crate::{Shop, ShopError};

/// SKUs and the slugs of their products.
pub(super) type Known = HashMap<Sku, Slug>;

/// How many SKUs one statement asks for.
const AT_ONCE: usize = 1_000;

/// Those of a batch.
pub(super) async fn of(shop: &Shop, batch: &[Read]) -> Result<Known, ShopError> {
    let skus = batch.iter().flat_map(|product| &product.listing.draft.skus);
    let wanted: Vec<String> = skus.map(|sku| sku.sku.to_string()).collect();
    shop.database.read(move |db| known(db, &wanted)).await
}

fn known(db: &mut Db, wanted: &[String]) -> Done<Known> {
    let mut known = Known::new();
    for some in wanted.chunks(AT_ONCE) {
        let rows: Vec<(String, String)> = skus::table
            .inner_join(product::table.on(product::id.eq(skus::product)))
            .filter(skus::sku.eq_any(some))
            .select((skus::sku, product::slug))
            .load(db)?;
        known.extend(rows.into_iter().map(|(sku, slug)| (Sku::stored(sku), Slug::stored(slug))));
    }
    Ok(known)
}
