//! Lists of levels, by SKU and location.
//!
//! The levels of a supplier's SKUs, or of those that are or are not low, are found by way of their items: these are
//! walked in the order of an index, some at a time, and their levels are read.

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use emporium_database::scan::{self, FEW, Scan};
use emporium_database::{Db, Failure, is};
use emporium_inventory_api::{InventoryError, Level, LocationId, Sku};
use emporium_kernel::{Cursor, Limit, Page};
use schemars::JsonSchema;
use serde::Deserialize;

use super::level_of;
use crate::error::Done;
use crate::schema::{Backend, item, level};

/// Of so many items the levels are read together, first and then.
const ITEMS_AT_ONCE: [i64; 2] = [100, 1_000];

/// Which levels to list.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LevelFilter {
    /// Of this SKU.
    pub sku: Option<Sku>,
    /// At this location.
    pub location: Option<LocationId>,
    /// Only SKUs of which no more than their threshold is available, or only the others.
    pub below_threshold: Option<bool>,
    /// Rows of a page.
    #[serde(default)]
    pub limit: Limit,
    /// Where the page begins.
    pub after: Option<Cursor<(String, String)>>,
}

/// A SKU and a location.
type Place = (String, String);

type Items<'q> = item::BoxedQuery<'q, Backend>;
type Levels<'q> = level::BoxedQuery<'q, Backend>;

/// Levels by SKU and location.
struct Listing<'a> {
    filter: &'a LevelFilter,
    /// Whose SKUs, when not everybody's.
    supplier: Option<&'a str>,
    /// Whether items are walked, and not levels.
    by_item: bool,
}

/// A page of levels; only those of `supplier`'s SKUs when one is given. It may have fewer rows than the limit though the
/// list goes on.
pub(crate) fn list(db: &mut Db, filter: &LevelFilter, supplier: Option<&str>) -> Done<Page<Level>> {
    let is_about_items = supplier.is_some() || filter.below_threshold.is_some();
    let listing = Listing { filter, supplier, by_item: is_about_items && !has_few(db, filter)? };
    let after = filter.after.as_ref().map(|Cursor(place)| place.clone());
    scan::page(db, &listing, filter.limit, after)
}

/// Whether a SKU or a location leaves so few levels that each is asked for its item.
fn has_few(db: &mut Db, filter: &LevelFilter) -> Done<bool> {
    if filter.sku.is_some() {
        return Ok(true);
    }
    let Some(location) = &filter.location else { return Ok(false) };
    let there = level::table.filter(level::location.eq(location.as_str()));
    let beyond: Option<String> = there.select(level::sku).order(level::sku).offset(FEW).first(db).optional()?;
    Ok(beyond.is_none())
}

impl Listing<'_> {
    /// The items that are walked, by SKU, from one on and up to another.
    fn items(&self, from: Option<&str>, until: Option<&str>) -> Items<'_> {
        let mut query = item::table.into_boxed();
        if let Some(supplier) = self.supplier {
            query = query.filter(is(item::supplier, supplier)).order(item::supplier);
        }
        if let Some(is_low) = self.filter.below_threshold {
            query = query.filter(is(item::is_low, i32::from(is_low))).then_order_by(item::is_low);
        }
        if let Some(sku) = from {
            query = query.filter(item::sku.ge(sku.to_owned()));
        }
        if let Some(sku) = until {
            query = query.filter(item::sku.le(sku.to_owned()));
        }
        query.then_order_by(item::sku)
    }

    /// The levels behind a place, of whatever items.
    fn levels(&self, after: Option<&Place>) -> Levels<'_> {
        let mut query = level::table.into_boxed();
        if let Some(sku) = &self.filter.sku {
            query = query.filter(is(level::sku, sku.as_str()));
        }
        if let Some((sku, location)) = after.cloned() {
            query = query.filter(level::sku.ge(sku.clone()).and(level::sku.gt(sku).or(level::location.gt(location))));
        }
        match &self.filter.location {
            Some(location) => query.filter(is(level::location, location.as_str())).order((level::location, level::sku)),
            None => query.order((level::sku, level::location)),
        }
    }

    /// The same, few, each asked for its item, such that SQLite does not begin with very many items.
    fn asked(&self, after: Option<&Place>) -> Levels<'_> {
        let query = self.levels(after);
        let of_level = || item::table.filter(item::sku.eq(level::sku));
        let query = match self.supplier {
            Some(supplier) => query.filter(exists(of_level().filter(not(item::supplier.ne(supplier))))),
            None => query,
        };
        match self.filter.below_threshold.map(i32::from) {
            Some(is_low) => query.filter(exists(of_level().filter(not(item::is_low.ne(is_low))))),
            None => query,
        }
    }

    /// The levels of items that are walked.
    fn of_items(&self, db: &mut Db, after: Option<&Place>, until: Option<&Place>, most: i64) -> Done<Vec<Level>> {
        let [first, then] = ITEMS_AT_ONCE;
        let (mut found, mut from, mut at_once) = (Vec::new(), after.cloned(), first);
        loop {
            let items = self.items(from.as_ref().map(|(sku, _)| &**sku), until.map(|(sku, _)| &**sku));
            let skus: Vec<String> = items.select(item::sku).limit(at_once).load(db)?;
            let levels = self.levels(from.as_ref()).filter(level::sku.eq_any(&skus));
            let missing = most.saturating_sub(i64::try_from(found.len()).unwrap_or(i64::MAX));
            found.extend(load(db, levels, missing)?);
            let is_full = i64::try_from(found.len()).is_ok_and(|rows| rows >= most);
            let is_last = i64::try_from(skus.len()).is_ok_and(|items| items < at_once);
            let Some(last) = skus.into_iter().last().filter(|_| !is_full && !is_last) else { return Ok(found) };
            (from, at_once) = (Some(behind(last)), then);
        }
    }
}

/// Behind every level of a SKU: `~` sorts after all that an id has.
fn behind(sku: String) -> Place {
    (sku, "~".to_owned())
}

fn load(db: &mut Db, levels: Levels<'_>, most: i64) -> Done<Vec<Level>> {
    let columns = (level::sku, level::location, level::on_hand, level::reserved);
    let rows: Vec<(String, String, i64, i64)> = levels.select(columns).limit(most).load(db)?;
    Ok(rows.into_iter().map(level_of).collect())
}

impl Scan for Listing<'_> {
    type Row = Level;
    type Place = Place;
    type Error = Failure<InventoryError>;

    /// An item may have no level, or none at the location.
    fn asks(&self) -> bool {
        self.by_item
    }

    fn place(&self, row: &Level) -> Place {
        (row.sku.to_string(), row.location.to_string())
    }

    fn end(&self, db: &mut Db, after: Option<&Place>, rows: i64) -> Done<Option<Place>> {
        let items = self.items(after.map(|(sku, _)| &**sku), None).select(item::sku);
        let last: Option<String> = items.offset(rows - 1).first(db).optional()?;
        Ok(last.map(behind))
    }

    fn rows(&self, db: &mut Db, after: Option<&Place>, until: Option<&Place>, most: i64) -> Done<Vec<Level>> {
        if self.by_item { self.of_items(db, after, until, most) } else { load(db, self.asked(after), most) }
    }
}
