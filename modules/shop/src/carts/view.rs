//! A cart as its visitor sees it: at today's prices, with what cannot be bought any more marked.

use std::collections::HashMap;

use emporium_database::prelude::*;
use emporium_database::{Db, Failure, refuse};
use emporium_inventory_api::Sku;
use emporium_kernel::{Money, Quantity, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::{CartId, CartRow, LineId, lines};
use crate::ShopError;
use crate::catalogue::{Sellable, sellable};
use crate::error::Done;
use crate::schema::cart;

/// A cart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cart {
    /// Names it.
    pub id: CartId,
    /// Opens a guest's cart, as the header `X-Cart-Token`; shown once, when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Its lines.
    pub items: Vec<CartLine>,
    /// What can be bought costs, one total for each currency.
    pub totals: Vec<Money>,
    /// Rises with every change.
    pub version: i64,
    /// Since when.
    pub created_at: Timestamp,
    /// Changed when.
    pub updated_at: Timestamp,
}

/// A line of a cart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CartLine {
    /// Names it.
    pub id: LineId,
    /// What.
    pub sku: Sku,
    /// What it is called.
    pub title: String,
    /// How many.
    pub quantity: Quantity,
    /// What one costs today; absent when it is no longer sold.
    pub unit_price: Option<Money>,
    /// What the line costs today; absent when it is no longer sold.
    pub total: Option<Money>,
}

/// The cart as it is now.
pub(super) fn again(db: &mut Db, id: &str) -> Done<Cart> {
    let row: Option<CartRow> = cart::table.find(id).first(db).optional()?;
    row.map_or_else(|| refuse(ShopError::NotFound), |row| of(db, row))
}

/// The cart of this row.
pub(super) fn of(db: &mut Db, row: CartRow) -> Done<Cart> {
    let stored = lines::stored(db, &row.id)?;
    let skus: Vec<Sku> = stored.iter().map(|(_, sku, _)| Sku::stored(sku.clone())).collect();
    let sold: HashMap<Sku, Sellable> = sellable(db, &skus)?.into_iter().map(|s| (s.sku.clone(), s)).collect();
    let items: Done<Vec<CartLine>> = stored.into_iter().map(|stored| line(stored, &sold)).collect();
    let items = items?;
    Ok(Cart {
        id: CartId::stored(row.id),
        token: None,
        totals: totals(&items)?,
        items,
        version: row.version,
        created_at: Timestamp::from_micros(row.created_at),
        updated_at: Timestamp::from_micros(row.updated_at),
    })
}

fn line((id, sku, quantity): lines::Stored, sold: &HashMap<Sku, Sellable>) -> Done<CartLine> {
    let quantity = Quantity::new(quantity).ok_or_else(|| Failure::corrupt("quantity"))?;
    let sku = Sku::stored(sku);
    let sellable = sold.get(&sku);
    let price = sellable.map(|s| s.price);
    let total = price.map(|price| price.times(quantity)).transpose();
    Ok(CartLine {
        id: LineId::stored(id),
        title: sellable.map_or_else(String::new, |s| s.title.clone()),
        sku,
        quantity,
        unit_price: price,
        total: total.map_err(|_| Failure::Refused(ShopError::TotalTooLarge))?,
    })
}

fn totals(items: &[CartLine]) -> Done<Vec<Money>> {
    let mut totals: Vec<Money> = Vec::new();
    for total in items.iter().filter_map(|item| item.total) {
        match totals.iter_mut().find(|sum| sum.currency() == total.currency()) {
            Some(sum) => *sum = sum.plus(total).map_err(|_| Failure::Refused(ShopError::TotalTooLarge))?,
            None => totals.push(total),
        }
    }
    Ok(totals)
}
