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

/// Empty levels that are removed in one transaction.
const CLEARED_AT_ONCE: i64 = 500;

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
type Columns = (location::id, location::name, location::is_default, location::created_at);

const COLUMNS: Columns = (location::id, location::name, location::is_default, location::created_at);

fn read((id, name, is_default, _): Row) -> Location {
    Location { id: LocationId::stored(id), name, is_default: is_default == 1 }
}

/// A page of locations, oldest first.
pub(crate) fn list(db: &mut Db, window: Window) -> Done<Page<Location>> {
    let mut query = location::table
        .filter(location::removed_at.is_null())
        .order((location::created_at, location::id))
        .select(COLUMNS)
        .limit(window.limit.probe())
        .into_boxed::<Backend>();
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
    let there = location::table.find(id.as_str()).filter(location::removed_at.is_null());
    if diesel::update(there).set(location::name.eq(name)).execute(db).map_err(taken)? == 0 {
        return refuse(InventoryError::UnknownLocation);
    }
    find(db, id)
}

/// One of them.
pub(crate) fn find(db: &mut Db, id: &LocationId) -> Done<Location> {
    let there = location::table.find(id.as_str()).filter(location::removed_at.is_null());
    let row: Option<Row> = there.select(COLUMNS).first(db).optional()?;
    row.map_or_else(|| refuse(InventoryError::UnknownLocation), |row| Ok(read(row)))
}

fn taken(error: diesel::result::Error) -> Failure<InventoryError> {
    let failure = Failure::from(error);
    if failure.is_duplicate() { Failure::Refused(InventoryError::LocationExists) } else { failure }
}

/// Refuses when it does not exist; else it stays until this transaction ends, as the default one always does.
pub(crate) fn keep(db: &mut Db, id: &str) -> Done<()> {
    if id == MAIN {
        return Ok(());
    }
    let there = location::table.find(id).filter(location::removed_at.is_null());
    let kept = diesel::update(there).set(location::created_at.eq(location::created_at)).execute(db)?;
    if kept == 1 { Ok(()) } else { refuse(InventoryError::UnknownLocation) }
}

/// Removes one that holds nothing and is not the default. From then on nothing is kept there; its empty levels, which may be
/// very many, and with the last of them its row, go by and by ([`clear`]).
pub(crate) fn remove(db: &mut Db, id: &LocationId, now: Timestamp) -> Done<()> {
    keep(db, id.as_str())?;
    if find(db, id)?.is_default || holds_any(db, id)? {
        return refuse(InventoryError::LocationInUse);
    }
    // Another one may have its name. No other has this one: names are of one line.
    let gone = (location::removed_at.eq(now.micros()), location::name.eq(format!("\n{id}")));
    diesel::update(location::table.find(id.as_str())).set(gone).execute(db)?;
    clear(db, id.as_str()).map(drop)
}

/// Those that were removed and whose levels are not all gone yet, at most so many.
pub(crate) fn removed(db: &mut Db, most: i64) -> Done<Vec<String>> {
    let removed = location::table.filter(location::removed_at.is_not_null()).order(location::id);
    Ok(removed.select(location::id).limit(most).load(db)?)
}

/// Whether anything is kept there. What is reserved is on hand as well.
fn holds_any(db: &mut Db, id: &LocationId) -> Done<bool> {
    let filled = level::table.filter(level::location.eq(id.as_str()).and(level::on_hand.gt(0)));
    let found: Option<String> = filled.select(level::sku).first(db).optional()?;
    Ok(found.is_some())
}

/// Removes empty levels of a location that was removed, at most [`CLEARED_AT_ONCE`], and the location with the last of them;
/// whether it is done. Where only filled ones are left, as a process of an older version may bring about, the location is
/// there again, under its id as its name: else nobody could see what it holds, or move it.
pub(crate) fn clear(db: &mut Db, id: &str) -> Done<bool> {
    let gone = location::table.find(id).filter(location::removed_at.is_not_null());
    // Another process may be done with it meanwhile; from here on none is.
    if diesel::update(gone).set(location::removed_at.eq(location::removed_at)).execute(db)? == 0 {
        return Ok(true);
    }
    let empty = level::table.filter(level::location.eq(id).and(level::on_hand.eq(0)));
    let some: Vec<String> = empty.select(level::sku).order(level::sku).limit(CLEARED_AT_ONCE).load(db)?;
    diesel::delete(empty.filter(level::sku.eq_any(&some))).execute(db)?;
    let left: Option<i64> = level::table.filter(level::location.eq(id)).select(level::on_hand).first(db).optional()?;
    if left.is_none() {
        diesel::delete(location::table.find(id)).execute(db)?;
    } else if some.is_empty() {
        tracing::warn!(location = id, "stock was left at a location that was removed; it is there again");
        let back = (location::removed_at.eq(None::<i64>), location::name.eq(id));
        diesel::update(location::table.find(id)).set(back).execute(db)?;
    }
    Ok(left.is_none() || some.is_empty())
}

/// Lets all of them stay until this transaction ends, or refuses.
pub(crate) fn keep_all(db: &mut Db, ids: &BTreeSet<&str>) -> Done<()> {
    ids.iter().try_for_each(|id| keep(db, id))
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
    let there = location::table.find(id).filter(location::removed_at.is_null());
    let found: Option<String> = there.select(location::id).first(db).optional()?;
    Ok(found.is_some())
}
