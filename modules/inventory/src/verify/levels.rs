//! What must hold between a level, its SKU, its reservations and its last movement.

use std::collections::{BTreeMap, BTreeSet};

use emporium_database::Db;
use emporium_database::pair;
use emporium_database::prelude::*;
use emporium_database::walk::{Span, Walk};
use emporium_inventory_api::{InventoryError, ReservationState};
use emporium_kernel::Audit;

use crate::error::Done;
use crate::levels::MOST;
use crate::reservations::name;
use crate::schema::{item, level, location, movement, reservation, reservation_line};

const ROWS: i64 = 500;

/// SKU and location.
type Key = (String, String);

/// What must hold of each level.
#[derive(Debug, Default)]
pub(super) struct Levels {
    keys: Span<Key>,
}

impl Walk for Levels {
    type Error = InventoryError;

    fn begin(&mut self, db: &mut Db) -> Done<()> {
        let keys = level::table.select((level::sku, level::location));
        self.keys = Span::up_to(keys.order((level::sku.desc(), level::location.desc())).first(db).optional()?);
        Ok(())
    }

    fn page(&mut self, db: &mut Db, audit: &mut Audit) -> Done<bool> {
        let rows = rows(db, &self.keys)?;
        let more = self.keys.pass(&rows, ROWS, Row::key);
        audit.looked_at(rows.len());
        let held = held(db, &rows)?;
        for row in &rows {
            check_row(audit, row, held.get(&row.key()).copied().unwrap_or(0));
        }
        Ok(more)
    }
}

#[derive(Queryable)]
struct Row {
    sku: String,
    location: String,
    on_hand: i64,
    reserved: i64,
    version: i64,
    registered: Option<String>,
    /// Its location, and when that was removed.
    place: (Option<String>, Option<i64>),
    last: Option<(i64, i64)>,
}

impl Row {
    fn key(&self) -> Key {
        (self.sku.clone(), self.location.clone())
    }
}

fn rows(db: &mut Db, keys: &Span<Key>) -> Done<Vec<Row>> {
    let its_last = movement::sku
        .eq(level::sku)
        .and(movement::location.eq(level::location))
        .and(movement::version.eq(level::version));
    let rows = level::table
        .left_join(item::table)
        .left_join(location::table.on(location::id.eq(level::location)))
        .left_join(movement::table.on(its_last))
        .filter(pair(level::sku, level::location).gt(keys.after.clone()))
        .filter(pair(level::sku, level::location).le(keys.until.clone()))
        .select((
            level::sku,
            level::location,
            level::on_hand,
            level::reserved,
            level::version,
            item::sku.nullable(),
            (location::id.nullable(), location::removed_at.nullable()),
            (movement::on_hand, movement::reserved).nullable(),
        ))
        .order((level::sku, level::location))
        .limit(ROWS)
        .load(db)?;
    Ok(rows)
}

/// What reservations in force hold of the SKUs of `rows`.
fn held(db: &mut Db, rows: &[Row]) -> Done<BTreeMap<Key, i64>> {
    let skus: BTreeSet<&str> = rows.iter().map(|row| row.sku.as_str()).collect();
    let in_force = reservation::state.eq(name(ReservationState::Reserved));
    let lines: Vec<(String, String, i64)> = reservation_line::table
        .inner_join(reservation::table)
        .filter(in_force.and(reservation_line::sku.eq_any(skus)))
        .select((reservation_line::sku, reservation_line::location, reservation_line::quantity))
        .load(db)?;
    let mut sums = BTreeMap::new();
    for (sku, location, quantity) in lines {
        *sums.entry((sku, location)).or_insert(0) += quantity;
    }
    Ok(sums)
}

fn check_row(audit: &mut Audit, row: &Row, held: i64) {
    let subject = || format!("{} at {}", row.sku, row.location);
    let quantities = format!("on hand {}, reserved {}", row.on_hand, row.reserved);
    if !(0 <= row.reserved && row.reserved <= row.on_hand && row.on_hand <= MOST) {
        audit.find("reserved_is_within_on_hand", subject(), quantities.clone());
    }
    if held != row.reserved {
        let detail = format!("reserved {}, reservations in force hold {held}", row.reserved);
        audit.find("reserved_is_sum_of_reservations", subject(), detail);
    }
    if row.registered.is_none() {
        audit.find("level_has_its_sku", subject(), "the SKU is not registered");
    }
    let (place, removed_at) = &row.place;
    if place.is_none() || (removed_at.is_some() && row.on_hand > 0) {
        audit.find("level_has_its_location", subject(), "there is no such location, or no longer");
    }
    // A level that never changed has no movement and nothing in it.
    let last = if row.version == 0 { Some((0, 0)) } else { row.last };
    if last != Some((row.on_hand, row.reserved)) {
        let last = last.map_or("missing".to_owned(), |(on_hand, reserved)| format!("{on_hand} and {reserved}"));
        audit.find("level_is_result_of_last_movement", subject(), format!("{quantities}; the last movement: {last}"));
    }
}

/// Reservations in force whose level does not even exist.
pub(super) fn held_nowhere(db: &mut Db) -> Done<Audit> {
    let mut audit = Audit::default();
    let its_level = level::sku.eq(reservation_line::sku).and(level::location.eq(reservation_line::location));
    let lost: Option<(String, i64)> = reservation_line::table
        .inner_join(reservation::table)
        .left_join(level::table.on(its_level))
        .filter(reservation::state.eq(name(ReservationState::Reserved)).and(level::sku.nullable().is_null()))
        .select((reservation_line::sku, reservation_line::quantity))
        .first(db)
        .optional()?;
    if let Some((sku, quantity)) = lost {
        let detail = format!("there is no level, reservations in force hold {quantity}");
        audit.find("reserved_is_sum_of_reservations", sku, detail);
    }
    Ok(audit)
}
