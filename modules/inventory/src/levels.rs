//! Levels: how much of a SKU is on hand and reserved at a location. Every change goes through [`change`].

mod list;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use emporium_database::prelude::*;
use emporium_database::{Db, Failure, KeptList, few_lengths, refuse};
use emporium_inventory_api::{Available, InventoryError, Level, LocationId, Sku};

use crate::error::Done;
use crate::movements::{self, Cause, Kind};
use crate::schema::{item, level, movement};
use crate::{items, locations};

pub use list::LevelFilter;
pub(crate) use list::list;

/// The most that can be counted of a SKU at a location.
pub(crate) const MOST: i64 = 1_000_000_000;

/// Whatever is on hand.
pub(crate) const ANY: RangeInclusive<i64> = 0..=MOST;

/// How many SKUs one statement asks for.
const SKUS_AT_ONCE: usize = 1_000;

/// A change of one level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    pub(crate) sku: &'a str,
    pub(crate) location: &'a str,
    pub(crate) kind: Kind,
    /// What is added to on hand.
    pub(crate) on_hand: i64,
    /// What is added to reserved.
    pub(crate) reserved: i64,
}

/// A level after a change, with what is known of its SKU.
#[derive(Clone, Debug, Queryable)]
pub(crate) struct Shelf {
    pub(crate) sku: String,
    pub(crate) location: String,
    pub(crate) on_hand: i64,
    pub(crate) reserved: i64,
    pub(crate) version: i64,
    pub(crate) supplier: Option<String>,
    pub(crate) threshold: Option<i64>,
}

impl Shelf {
    /// Its quantities.
    pub(crate) fn level(&self) -> Level {
        level_of((self.sku.clone(), self.location.clone(), self.on_hand, self.reserved))
    }
}

/// Changes a level and notes the movement. `None`, and nothing is changed, when there is no such row, when it would
/// leave `0 <= reserved <= on_hand <= MOST`, or when on hand is not within `expected`.
pub(crate) fn change(
    db: &mut Db,
    change: &Change<'_>,
    expected: RangeInclusive<i64>,
    cause: Cause<'_>,
) -> Done<Option<Shelf>> {
    let guard = level::sku
        .eq(change.sku)
        .and(level::location.eq(change.location))
        .and(level::on_hand.between(*expected.start(), *expected.end()))
        .and((level::reserved + change.reserved).ge(0))
        .and((level::on_hand + change.on_hand).ge(level::reserved + change.reserved))
        .and((level::on_hand + change.on_hand).le(MOST));
    // What is reserved alone leaves the index of what is on hand as it is.
    let set = (
        (change.on_hand != 0).then(|| level::on_hand.eq(level::on_hand + change.on_hand)),
        level::reserved.eq(level::reserved + change.reserved),
        level::version.eq(level::version + 1),
    );
    if diesel::update(level::table.filter(guard)).set(set).execute(db)? == 0 {
        return Ok(None);
    }
    let after = shelf(db, change.sku, change.location)?;
    movements::note(db, change, &after, cause)?;
    Ok(Some(after))
}

fn shelf(db: &mut Db, sku: &str, location: &str) -> Done<Shelf> {
    let known = (item::supplier, item::low_stock_threshold);
    let row: Option<Shelf> = level::table
        .inner_join(item::table)
        .filter(level::sku.eq(sku).and(level::location.eq(location)))
        .select((level::sku, level::location, level::on_hand, level::reserved, level::version, known.0, known.1))
        .first(db)
        .optional()?;
    row.ok_or_else(|| Failure::corrupt(format_args!("stock of {sku} at {location} without its SKU")))
}

/// The level, made with nothing in it when there is none.
pub(crate) fn ensure(db: &mut Db, sku: &str, location: &str) -> Done<Level> {
    let found = quantities(db, sku, location)?;
    if found.is_none() {
        create(db, sku, location)?;
    }
    Ok(holding(sku, location, found))
}

/// The level as it is; nothing where there is none.
pub(crate) fn look(db: &mut Db, sku: &str, location: &str) -> Done<Level> {
    Ok(holding(sku, location, quantities(db, sku, location)?))
}

fn quantities(db: &mut Db, sku: &str, location: &str) -> Done<Option<(i64, i64)>> {
    Ok(level::table.find((sku, location)).select((level::on_hand, level::reserved)).first(db).optional()?)
}

fn holding(sku: &str, location: &str, quantities: Option<(i64, i64)>) -> Level {
    let (on_hand, reserved) = quantities.unwrap_or_default();
    level_of((sku.to_owned(), location.to_owned(), on_hand, reserved))
}

/// Lets no other transaction change the levels that a SKU has before this one has ended.
pub(crate) fn keep_all(db: &mut Db, sku: &Sku) -> Done<()> {
    let all = level::table.filter(level::sku.eq(sku.as_str()));
    diesel::update(all).set(level::version.eq(level::version)).execute(db)?;
    Ok(())
}

/// An empty row, made while the item is locked, so that a threshold that is being set sees it; two who meet on the way there
/// are run again. Its versions go on where those of a row that was removed ended, which is certain only once this row
/// is there.
fn create(db: &mut Db, sku: &str, location: &str) -> Done<()> {
    locations::keep(db, location)?;
    items::keep(db, sku)?;
    insert_empty(db, sku, location)?;
    let last: Option<i64> = movement::table
        .filter(movement::sku.eq(sku).and(movement::location.eq(location)))
        .select(diesel::dsl::max(movement::version))
        .first(db)?;
    diesel::update(level::table.find((sku, location))).set(level::version.eq(last.unwrap_or(0))).execute(db)?;
    Ok(())
}

/// An empty row for a SKU and location that never had one.
pub(crate) fn insert_empty(db: &mut Db, sku: &str, location: &str) -> Done<()> {
    let row = (
        level::sku.eq(sku),
        level::location.eq(location),
        level::on_hand.eq(0),
        level::reserved.eq(0),
        level::version.eq(0),
    );
    diesel::insert_into(level::table).values(row).execute(db)?;
    Ok(())
}

/// What can be taken of a SKU at each location, the default location first.
pub(crate) fn available_at(db: &mut Db, sku: &str) -> Done<Vec<(String, i64)>> {
    let rows: Vec<(String, i64, i64)> = level::table
        .filter(level::sku.eq(sku))
        .select((level::location, level::on_hand, level::reserved))
        .order(level::location)
        .load(db)?;
    Ok(rows.into_iter().map(|(location, on_hand, reserved)| (location, on_hand - reserved)).collect())
}

/// What can be taken of each SKU over all locations; one without any row is left out.
pub(crate) fn totals(db: &mut Db, skus: &[&str]) -> Done<BTreeMap<String, i64>> {
    let mut totals = BTreeMap::new();
    for some in skus.chunks(SKUS_AT_ONCE) {
        let found = level::table.filter(level::sku.eq_any(few_lengths(some))).select((
            level::sku,
            level::on_hand,
            level::reserved,
        ));
        let rows: Vec<(String, i64, i64)> = KeptList(found).load(db)?;
        for (sku, on_hand, reserved) in rows {
            *totals.entry(sku).or_insert(0) += on_hand - reserved;
        }
    }
    Ok(totals)
}

/// What can be bought of each SKU, in the order asked.
pub(crate) fn availability(db: &mut Db, skus: Vec<Sku>) -> Done<Vec<Available>> {
    let names: Vec<&str> = skus.iter().map(Sku::as_str).collect();
    let totals = totals(db, &names)?;
    let available = |sku: &Sku| totals.get(sku.as_str()).copied().unwrap_or(0);
    Ok(skus.iter().map(|sku| Available { sku: sku.clone(), available: available(sku) }).collect())
}

/// Every level of some SKUs, by SKU and location.
pub(crate) fn of(db: &mut Db, skus: &[Sku]) -> Done<Vec<Level>> {
    let mut names: Vec<&str> = skus.iter().map(Sku::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let mut levels = Vec::new();
    for some in names.chunks(SKUS_AT_ONCE) {
        let found = level::table
            .filter(level::sku.eq_any(few_lengths(some)))
            .select((level::sku, level::location, level::on_hand, level::reserved))
            .order((level::sku, level::location));
        let rows: Vec<(String, String, i64, i64)> = KeptList(found).load(db)?;
        levels.extend(rows.into_iter().map(level_of));
    }
    Ok(levels)
}

/// Removes a row with nothing in it; `false` when there is none.
pub(crate) fn remove(db: &mut Db, sku: &Sku, location: &LocationId) -> Done<bool> {
    let row = || level::sku.eq(sku.as_str()).and(level::location.eq(location.as_str()));
    let empty = level::table.filter(row()).filter(level::on_hand.eq(0).and(level::reserved.eq(0)));
    if diesel::delete(empty).execute(db)? > 0 {
        return Ok(true);
    }
    let there: i64 = level::table.filter(row()).count().get_result(db)?;
    if there > 0 { refuse(InventoryError::RowInUse) } else { Ok(false) }
}

fn level_of((sku, location, on_hand, reserved): (String, String, i64, i64)) -> Level {
    Level {
        sku: Sku::stored(sku),
        location: LocationId::stored(location),
        on_hand,
        reserved,
        available: on_hand - reserved,
    }
}
