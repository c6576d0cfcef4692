//! Reserving: all lines or none, and the outcome stored.

use std::collections::BTreeMap;
use std::time::Duration;

use emporium_database::prelude::*;
use emporium_database::{Db, Failure, overtaken, refuse, savepoint};
use emporium_inventory_api::lifecycle::Request;
use emporium_inventory_api::{InventoryError, Reservation, ReservationId, ReservationState, Reserve, Shortage, Sku};
use emporium_kernel::{Timestamp, Verdict, derived_id};

use ReservationState::{Refused, Reserved, Tombstone};

use super::{cause, name, stored};
use crate::error::Done;
use crate::items;
use crate::levels::{self, ANY, Change, Shelf};
use crate::locations::MAIN;
use crate::movements::Kind;
use crate::schema::{item, reservation, reservation_line};

/// How often a SKU that others take from meanwhile is looked at again.
const TRIES: usize = 64;

/// What reserving leads to; a refusal is stored like a success.
pub(crate) type Outcome = Result<Reservation, InventoryError>;

/// What to reserve: equal SKUs summed, in the order in which stock is locked.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    id: ReservationId,
    order: String,
    lines: BTreeMap<String, i64>,
    fingerprint: String,
    expires_at: Timestamp,
    now: Timestamp,
}

impl Wanted {
    /// The time it is kept for is no part of its content: a repetition after a change of settings is the same.
    pub(crate) fn new(ask: &Reserve, now: Timestamp) -> Self {
        let mut lines: BTreeMap<String, i64> = BTreeMap::new();
        for line in &ask.lines {
            *lines.entry(line.sku.to_string()).or_insert(0) += line.quantity.get();
        }
        let content = serde_json::json!([ask.order, lines]).to_string();
        let expires_at = now.plus(Duration::from_secs(ask.expires_in_secs.into()));
        let fingerprint = derived_id(&["reserve", &content]);
        Self { id: ask.id.clone(), order: ask.order.clone(), lines, fingerprint, expires_at, now }
    }
}

/// Reserves all lines or none. What comes of it is stored, and answered to every repetition.
pub(crate) fn reserve(db: &mut Db, wanted: &Wanted) -> Done<Outcome> {
    match insert(db, wanted) {
        Err(failure) if failure.is_duplicate() => return repeated(db, wanted),
        inserted => inserted?,
    }
    let taken = take_all_or_none(db, wanted)?;
    if let Err(refusal) = &taken {
        store_refusal(db, &wanted.id, refusal)?;
    }
    Ok(taken.map(|()| Reservation { id: wanted.id.clone(), state: Reserved }))
}

fn insert(db: &mut Db, wanted: &Wanted) -> Done<()> {
    let row = (
        reservation::id.eq(wanted.id.as_str()),
        reservation::order_id.eq(&wanted.order),
        reservation::state.eq(name(Reserved)),
        reservation::fingerprint.eq(&wanted.fingerprint),
        reservation::expires_at.eq(wanted.expires_at.micros()),
        reservation::created_at.eq(wanted.now.micros()),
        reservation::updated_at.eq(wanted.now.micros()),
    );
    diesel::insert_into(reservation::table).values(row).execute(db)?;
    Ok(())
}

fn store_refusal(db: &mut Db, id: &ReservationId, refusal: &InventoryError) -> Done<()> {
    let outcome = serde_json::to_string(refusal).map_err(Failure::corrupt)?;
    let refused = (reservation::state.eq(name(Refused)), reservation::outcome.eq(outcome));
    diesel::update(reservation::table.find(id.as_str())).set(refused).execute(db)?;
    Ok(())
}

/// The answer to an id that came before.
fn repeated(db: &mut Db, wanted: &Wanted) -> Done<Outcome> {
    let first: Option<(String, Option<String>, String)> = reservation::table
        .find(wanted.id.as_str())
        .select((reservation::state, reservation::outcome, reservation::fingerprint))
        .first(db)
        .optional()?;
    let Some((state, outcome, fingerprint)) = first else { return overtaken() };
    let state = stored(&state)?;
    if state != Tombstone && fingerprint != wanted.fingerprint {
        return Ok(Err(InventoryError::IdReused));
    }
    Ok(match ReservationState::verdict(Some(state), Request::Reserve) {
        Verdict::Stays(Refused) => Err(serde_json::from_str(&outcome.unwrap_or_default()).map_err(Failure::corrupt)?),
        Verdict::Becomes(state) | Verdict::Stays(state) => Ok(Reservation { id: wanted.id.clone(), state }),
        Verdict::Ended(state) => Err(InventoryError::ReservationEnded { state }),
        Verdict::Unknown => Err(InventoryError::UnknownReservation),
    })
}

/// A refusal undoes what was taken and nothing else.
fn take_all_or_none(db: &mut Db, wanted: &Wanted) -> Done<Result<(), InventoryError>> {
    match savepoint(db, |db| take_all(db, wanted)) {
        Ok(()) => Ok(Ok(())),
        Err(Failure::Refused(refusal)) => Ok(Err(refusal)),
        Err(failure) => Err(failure),
    }
}

fn take_all(db: &mut Db, wanted: &Wanted) -> Done<()> {
    let (mut short, mut changed) = (Vec::new(), Vec::new());
    for (sku, pieces) in &wanted.lines {
        short.extend(take(db, wanted, sku, *pieces, &mut changed)?);
    }
    if !short.is_empty() {
        return refuse(InventoryError::OutOfStock { short });
    }
    items::watch(db, &changed, wanted.now)
}

/// Takes one line: from the default location, else from the first location that has enough, else from all in order.
fn take(db: &mut Db, wanted: &Wanted, sku: &str, pieces: i64, changed: &mut Vec<Shelf>) -> Done<Option<Shortage>> {
    if let Some(shelf) = take_at(db, wanted, sku, MAIN, pieces)? {
        changed.push(shelf);
        insert_line(db, wanted, sku, MAIN, pieces)?;
        return Ok(None);
    }
    let mut taken: BTreeMap<String, i64> = BTreeMap::new();
    for _ in 0..TRIES {
        let left = pieces - taken.values().sum::<i64>();
        if left == 0 {
            break;
        }
        let there = levels::available_at(db, sku)?;
        let sum: i64 = there.iter().map(|(_, available)| available).sum();
        let Some((location, some)) = choose(&there, left).filter(|_| sum >= left) else {
            return short_of(db, sku, pieces, pieces - left + sum).map(Some);
        };
        if let Some(shelf) = take_at(db, wanted, sku, location, some)? {
            changed.push(shelf);
            *taken.entry(location.to_owned()).or_insert(0) += some;
        }
    }
    for (location, some) in &taken {
        insert_line(db, wanted, sku, location, *some)?;
    }
    // Others took what was seen, again and again.
    if taken.values().sum::<i64>() < pieces { overtaken() } else { Ok(None) }
}

/// The first location that has `left`, else the first that has any.
fn choose(there: &[(String, i64)], left: i64) -> Option<(&str, i64)> {
    let enough = there.iter().find(|(_, available)| *available >= left);
    let chosen = enough.or_else(|| there.iter().find(|(_, available)| *available > 0));
    chosen.map(|(location, available)| (location.as_str(), left.min(*available)))
}

fn take_at(db: &mut Db, wanted: &Wanted, sku: &str, location: &str, pieces: i64) -> Done<Option<Shelf>> {
    let change = Change { sku, location, kind: Kind::Reserve, on_hand: 0, reserved: pieces };
    levels::change(db, &change, ANY, cause(&wanted.order, wanted.now))
}

fn insert_line(db: &mut Db, wanted: &Wanted, sku: &str, location: &str, pieces: i64) -> Done<()> {
    let row = (
        reservation_line::reservation.eq(wanted.id.as_str()),
        reservation_line::sku.eq(sku),
        reservation_line::location.eq(location),
        reservation_line::quantity.eq(pieces),
    );
    diesel::insert_into(reservation_line::table).values(row).execute(db)?;
    Ok(())
}

/// An unknown SKU is refused at once: no amount of waiting brings it.
fn short_of(db: &mut Db, sku: &str, requested: i64, available: i64) -> Done<Shortage> {
    let known: Option<String> = item::table.find(sku).select(item::sku).first(db).optional()?;
    match known {
        Some(sku) => Ok(Shortage { sku: Sku::stored(sku), requested, available }),
        None => refuse(InventoryError::UnknownSku { sku: sku.to_owned() }),
    }
}
