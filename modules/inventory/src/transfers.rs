//! Transfers: available stock that moves from one location to another.

use std::collections::BTreeSet;

use emporium_database::{Db, overtaken, refuse};
use emporium_inventory_api::{InventoryError, Level, LocationId, Sku};
use emporium_kernel::{Quantity, Timestamp, id};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::Done;
use crate::levels::{self, ANY, Change, MOST, Shelf};
use crate::movements::{Cause, CauseKind, Kind};
use crate::{items, locations};

id!(
    /// Names a transfer of stock.
    TransferId = "stt"
);

/// A transfer to carry out.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    pub(crate) id: TransferId,
    pub(crate) actor: String,
    /// Only this supplier's SKUs exist for it, when one is given.
    pub(crate) supplier: Option<String>,
    pub(crate) sku: Sku,
    pub(crate) from: LocationId,
    pub(crate) to: LocationId,
    pub(crate) quantity: Quantity,
    pub(crate) reason: Option<String>,
    pub(crate) now: Timestamp,
}

/// A transfer that was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Transferred {
    /// Its id, which its two movements name as their cause.
    pub id: TransferId,
    /// How many were moved.
    pub quantity: Quantity,
    /// What is left where they were.
    pub from: Level,
    /// What there is where they are now.
    pub to: Level,
}

/// Moves stock that nobody was promised.
pub(crate) fn transfer(db: &mut Db, transfer: &Transfer) -> Done<Transferred> {
    items::require(db, &BTreeSet::from([transfer.sku.as_str()]), transfer.supplier.as_deref())?;
    locations::keep_all(db, &BTreeSet::from([transfer.from.as_str(), transfer.to.as_str()]))?;
    // Stock is locked in the order of its locations, whichever way it goes.
    let (from, to) = if transfer.from < transfer.to {
        let from = take(db, transfer)?;
        (from, put(db, transfer)?)
    } else {
        let to = put(db, transfer)?;
        (take(db, transfer)?, to)
    };
    let moved =
        Transferred { id: transfer.id.clone(), quantity: transfer.quantity, from: from.level(), to: to.level() };
    items::watch(db, &[from, to], transfer.now)?;
    Ok(moved)
}

fn cause(transfer: &Transfer) -> Cause<'_> {
    Cause {
        kind: CauseKind::Transfer,
        id: transfer.id.as_str(),
        actor: Some(&transfer.actor),
        reason: transfer.reason.as_deref(),
        at: transfer.now,
    }
}

fn take(db: &mut Db, transfer: &Transfer) -> Done<Shelf> {
    let (sku, location) = (transfer.sku.as_str(), transfer.from.as_str());
    let change = Change { sku, location, kind: Kind::TransferOut, on_hand: -transfer.quantity.get(), reserved: 0 };
    if let Some(shelf) = levels::change(db, &change, ANY, cause(transfer))? {
        return Ok(shelf);
    }
    let here = levels::available_at(db, sku)?.into_iter().find(|(name, _)| name == location);
    let available = here.map_or(0, |(_, available)| available);
    if available >= transfer.quantity.get() {
        return overtaken();
    }
    refuse(InventoryError::BelowReserved { sku: sku.to_owned(), available })
}

fn put(db: &mut Db, transfer: &Transfer) -> Done<Shelf> {
    let (sku, location) = (transfer.sku.as_str(), transfer.to.as_str());
    levels::ensure(db, sku, location)?;
    let change = Change { sku, location, kind: Kind::TransferIn, on_hand: transfer.quantity.get(), reserved: 0 };
    match levels::change(db, &change, ANY, cause(transfer))? {
        Some(shelf) => Ok(shelf),
        None if levels::ensure(db, sku, location)?.on_hand + transfer.quantity.get() <= MOST => overtaken(),
        None => refuse(InventoryError::TooMuch { sku: sku.to_owned() }),
    }
}
