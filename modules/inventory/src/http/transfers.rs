//! Transfers over HTTP.

use actix_web::web;
use emporium_database::idempotency::once;
use emporium_inventory_api::{InventoryError, LocationId, Sku};
use emporium_kernel::{Answer, Idempotent, Line, Problem, Quantity, Seller};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Stock;
use crate::transfers::{self, Transfer, TransferId, Transferred};

/// Stock to move.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTransfer {
    /// The SKU.
    sku: Sku,
    /// Where it is.
    from: LocationId,
    /// Where it goes.
    to: LocationId,
    /// How many.
    quantity: Quantity,
    /// Why.
    reason: Option<Line<200>>,
}

pub(super) async fn transfer(
    seller: Seller,
    stock: web::Data<Stock>,
    ask: Idempotent<NewTransfer>,
) -> Result<Answer<Transferred, 201>, Problem> {
    let (key, now) = (ask.key(&seller.caller), stock.clock.now());
    let NewTransfer { sku, from, to, quantity, reason } = ask.body;
    if from == to {
        return Err(Problem::invalid_field("to", "same_location", "name another location than from"));
    }
    let (id, actor) = (TransferId::new(now, &stock.random), seller.caller.id.clone());
    let (reason, supplier) = (reason.map(Line::into_string), seller.supplier().map(str::to_owned));
    let wanted = Transfer { id, actor, supplier, sku, from, to, quantity, reason, now };
    let work = move |db: &mut _| once(db, &key, now, 201, |db| transfers::transfer(db, &wanted));
    stock.database.write::<_, InventoryError, _>(work).await?.into_answer()
}
