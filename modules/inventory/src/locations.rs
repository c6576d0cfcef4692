//! Locations: the places where stock is kept.

use std::collections::BTreeSet;

use diesel::prelude::*;
use emporium_database::{Db, Failure, pair, refuse};
use emporium_inventory_api::{InventoryError, LocationId};
use emporium_kernel::{Page, Timestamp, Window};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::Done;
use crate::schema::{Backend, level, location};

/// The default location, made by a migration. Its id is the smallest, so it comes first in the order of ids.
pub(crate) const MAIN: &str = "loc_00000000000000000000000000";

/// The default location's id.
pub fn main_location() -> LocationId {
    LocationId::stored(MAIN.to_owned())
}

/// A place where stock is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Location {
    /// Its id.
    pub id: LocationId,
    /// What people call it.
    pub name: String,
    /// Whether it is meant where none is named.
    pub is_default: bool,
}

type Row = (String, String, i32, i64);

fn read((id, name, is_default, _): Row) -> Location {
    Location { id: LocationId::stored(id), name, is_default: is_default == 1 }
}

/// A page of locations, oldest first.
pub(crate) fn list(db: &mut Db, window: Window) -> Done<Page<Location>> {
    let mut query =
        location::table.order((location::created_at, location::id)).limit(window.limit.probe()).into_boxed::<Backend>();
    if let Some(after) = window.after {
        query = query.filter(pair(location::created_at, location::id).gt(after.0));
    }
    let rows: Vec<Row> = query.load(db)?;
    Ok(Page::of(rows, window.limit, |row| (row.3, row.0.clone())).map(read))
}

/// A new one; a name can be taken once.
pub(crate) fn create(db: &mut Db, id: &LocationId, name: &str, now: Timestamp) -> Done<Location> {
    let row = (
        location::id.eq(id.as_str()),
        location::name.eq(name),
        location::is_default.eq(0),
        location::created_at.eq(now.micros()),
    );
    diesel::insert_into(location::table).values(row).execute(db).map_err(taken)?;
    Ok(Location { id: id.clone(), name: name.to_owned(), is_default: false })
}

/// Gives one another name.
pub(crate) fn rename(db: &mut Db, id: &LocationId, name: &str) -> Done<Location> {
    let row = location::table.find(id.as_str());
    if diesel::update(row).set(location::name.eq(name)).execute(db).map_err(taken)? == 0 {
        return refuse(InventoryError::UnknownLocation);
    }
    find(db, id)
}

/// One of them.
pub(crate) fn find(db: &mut Db, id: &LocationId) -> Done<Location> {
    let row: Option<Row> = location::table.find(id.as_str()).first(db).optional()?;
    row.map_or_else(|| refuse(InventoryError::UnknownLocation), |row| Ok(read(row)))
}

fn taken(error: diesel::result::Error) -> Failure<InventoryError> {
    let failure = Failure::from(error);
    if failure.is_duplicate() { Failure::Refused(InventoryError::LocationExists) } else { failure }
}

/// Refuses when it does not exist; else it stays until this transaction ends.
pub(crate) fn keep(db: &mut Db, id: &str) -> Done<()> {
    let kept =
        diesel::update(location::table.find(id)).set(location::created_at.eq(location::created_at)).execute(db)?;
    if kept == 1 { Ok(()) } else { refuse(InventoryError::UnknownLocation) }
}

/// Removes one that holds nothing and is not the default.
pub(crate) fn remove(db: &mut Db, id: &LocationId) -> Done<()> {
    keep(db, id.as_str())?;
    if holds_any(db, id)? {
        return refuse(InventoryError::LocationInUse);
    }
    let empty =
        level::table.filter(level::location.eq(id.as_str()).and(level::on_hand.eq(0)).and(level::reserved.eq(0)));
    diesel::delete(empty).execute(db)?;
    let filled: i64 = level::table.filter(level::location.eq(id.as_str())).count().get_result(db)?;
    let other = location::table.filter(location::id.eq(id.as_str()).and(location::is_default.eq(0)));
    if filled > 0 || diesel::delete(other).execute(db)? == 0 {
        return refuse(InventoryError::LocationInUse);
    }
    Ok(())
}

/// Whether anything is kept there. Asked before empty levels are removed, which may be very many, and would all come
/// back when the location stays.
fn holds_any(db: &mut Db, id: &LocationId) -> Done<bool> {
    let found: Option<String> = level::table
        .filter(level::location.eq(id.as_str()))
        .filter(level::on_hand.gt(0).or(level::reserved.gt(0)))
        .select(level::sku)
        .order(level::sku)
        .first(db)
        .optional()?;
    Ok(found.is_some())
}

/// Refuses when one of them does not exist.
pub(crate) fn require(db: &mut Db, ids: &BTreeSet<&str>) -> Done<()> {
    for id in ids {
        if !exists(db, id)? {
            return refuse(InventoryError::UnknownLocation);
        }
    }
    Ok(())
}

/// Whether there is such a location.
pub(crate) fn exists(db: &mut Db, id: &str) -> Done<bool> {
    let found: Option<String> = location::table.find(id).select(location::id).first(db).optional()?;
    Ok(found.is_some())
}
