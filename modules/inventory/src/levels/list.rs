//! Lists of levels, by SKU and location.
//!
//! The levels of a supplier's SKUs, or of those that are or are not low, are found by way of their items: these are
//! walked in the order of an index, some at a time, and their levels are read.

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use emporium_database::scan::FEW;
use emporium_database::{Db, is, pair};
use emporium_inventory_api::{Level, LocationId, Sku};
use emporium_kernel::{Cursor, Limit, Page};
use schemars::JsonSchema;
use serde::Deserialize;

use super::level_of;
use crate::error::Done;
use crate::schema::{Backend, item, level};

/// Of so many items at most the levels are read together: at first of as many as there may be rows, for most have one.
const ITEMS_AT_ONCE: usize = 1_000;
/// Some so many items are looked at for a page; where their levels do not fill it, its cursor says where the next one goes on.
const MOST_ITEMS: usize = 1_000;

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
}

/// A page of levels; only those of `supplier`'s SKUs when one is given. It may have fewer rows than the limit though the
/// list goes on.
pub(crate) fn list(db: &mut Db, filter: &LevelFilter, supplier: Option<&str>) -> Done<Page<Level>> {
    let listing = Listing { filter, supplier };
    let after = filter.after.as_ref().map(|Cursor(place)| place.clone());
    let is_about_items = supplier.is_some() || filter.below_threshold.is_some();
    if is_about_items && !has_few(db, filter)? {
        return listing.by_item(db, after);
    }
    let rows = load(db, listing.asked(after.as_ref()), filter.limit.probe())?;
    Ok(Page::of(rows, filter.limit, place))
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
    /// The items that are walked, by SKU, from one on.
    fn items(&self, from: Option<&Place>) -> Items<'_> {
        let mut query = item::table.into_boxed();
        if let Some(supplier) = self.supplier {
            query = query.filter(is(item::supplier, supplier)).order(item::supplier);
        }
        if let Some(is_low) = self.filter.below_threshold {
            query = query.filter(is(item::is_low, i32::from(is_low))).then_order_by(item::is_low);
        }
        if let Some((sku, _)) = from.cloned() {
            query = query.filter(item::sku.ge(sku));
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
            query = query.filter(pair(level::sku, level::location).gt((sku, location)));
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

    /// A page of the levels of items that are walked.
    fn by_item(&self, db: &mut Db, after: Option<Place>) -> Done<Page<Level>> {
        let limit = self.filter.limit.rows();
        let (mut rows, mut from, mut at_once, mut looked_at) = (Vec::new(), after, limit + 1, 0);
        while looked_at < MOST_ITEMS {
            let skus: Vec<String> = self.items(from.as_ref()).select(item::sku).limit(count(at_once)).load(db)?;
            let levels = self.levels(from.as_ref()).filter(level::sku.eq_any(&skus));
            rows.extend(load(db, levels, count(limit + 1 - rows.len()))?);
            let is_end = skus.len() < at_once;
            let Some(last) = skus.into_iter().last().filter(|_| !is_end && rows.len() <= limit) else {
                return Ok(Page::of(rows, self.filter.limit, place));
            };
            looked_at += at_once;
            (from, at_once) = (Some(behind(last)), ITEMS_AT_ONCE);
        }
        Ok(Page { data: rows, next_cursor: from.map(|place| Cursor::encode(&place)), total: None })
    }
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

fn place(row: &Level) -> Place {
    (row.sku.to_string(), row.location.to_string())
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
