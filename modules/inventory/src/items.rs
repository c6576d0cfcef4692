//! Items: the SKUs that stock is kept of, as the catalogue registered them, and when they run low.

use std::collections::{BTreeMap, BTreeSet};

use emporium_database::prelude::*;
use emporium_database::{Db, KeptList, few_lengths, is, outbox, refuse};
use emporium_inventory_api::{InventoryError, Registration, Sku};
use emporium_kernel::{Limit, Page, Timestamp, Window};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::Done;
use crate::levels::{self, Shelf};
use crate::locations::MAIN;
use crate::schema::{Backend, item};

/// How many SKUs one statement asks for, and one transaction registers.
pub(crate) const AT_ONCE: usize = 1_000;

type Known = BTreeMap<String, (String, Option<String>)>;

/// Makes SKUs known, each with an empty row at the default location. Answers those that were not known before.
pub(crate) fn register(db: &mut Db, skus: &[Registration], now: Timestamp) -> Done<Vec<Sku>> {
    let mut known = known(db, skus)?;
    let mut created = Vec::new();
    // In one order, whoever registers what.
    let mut skus: Vec<&Registration> = skus.iter().collect();
    skus.sort_by_key(|new| new.sku.as_str());
    for new in skus {
        let described = (new.title.clone(), new.supplier.clone());
        match known.insert(new.sku.to_string(), described.clone()) {
            None => {
                insert(db, new, now)?;
                created.push(new.sku.clone());
            }
            Some(before) if before != described => describe(db, new)?,
            Some(_) => {}
        }
    }
    Ok(created)
}

fn known(db: &mut Db, skus: &[Registration]) -> Done<Known> {
    let names: Vec<&str> = skus.iter().map(|new| new.sku.as_str()).collect();
    let rows: Vec<(String, String, Option<String>)> =
        item::table.filter(item::sku.eq_any(names)).select((item::sku, item::title, item::supplier)).load(db)?;
    Ok(rows.into_iter().map(|(sku, title, supplier)| (sku, (title, supplier))).collect())
}

fn insert(db: &mut Db, new: &Registration, now: Timestamp) -> Done<()> {
    let row = (
        item::sku.eq(new.sku.as_str()),
        item::title.eq(&new.title),
        item::supplier.eq(&new.supplier),
        item::created_at.eq(now.micros()),
    );
    diesel::insert_into(item::table).values(row).execute(db)?;
    levels::insert_empty(db, &new.sku, MAIN)
}

fn describe(db: &mut Db, new: &Registration) -> Done<()> {
    let described = (item::title.eq(&new.title), item::supplier.eq(&new.supplier));
    diesel::update(item::table.find(new.sku.as_str())).set(described).execute(db)?;
    Ok(())
}

/// Refuses the first SKU that is not registered, or is not `supplier`'s when one is given.
pub(crate) fn require(db: &mut Db, skus: &BTreeSet<&str>, supplier: Option<&str>) -> Done<()> {
    let names: Vec<&str> = skus.iter().copied().collect();
    for some in names.chunks(AT_ONCE) {
        let found = item::table.filter(item::sku.eq_any(few_lengths(some))).select((item::sku, item::supplier));
        let rows: Vec<(String, Option<String>)> = KeptList(found).load(db)?;
        let seen: BTreeMap<String, Option<String>> = rows.into_iter().collect();
        let may = |owner: &Option<String>| supplier.is_none() || owner.as_deref() == supplier;
        if let Some(unknown) = some.iter().find(|sku| !seen.get(**sku).is_some_and(may)) {
            return refuse(InventoryError::UnknownSku { sku: (*unknown).to_owned() });
        }
    }
    Ok(())
}

/// Whether a SKU is registered and is `supplier`'s.
pub(crate) fn is_of(db: &mut Db, sku: &str, supplier: &str) -> Done<bool> {
    let own: i64 = item::table.filter(item::sku.eq(sku).and(item::supplier.eq(supplier))).count().get_result(db)?;
    Ok(own > 0)
}

/// After changes: notes which watched SKUs ran low, telling of each once, and which did no longer.
pub(crate) fn watch(db: &mut Db, changed: &[Shelf], now: Timestamp) -> Done<()> {
    let watched: BTreeSet<&str> =
        changed.iter().filter(|shelf| shelf.threshold.is_some()).map(|shelf| shelf.sku.as_str()).collect();
    for sku in watched {
        // Whoever changes the same SKU at another location waits here, and then sees this change as well.
        keep(db, sku)?;
        note_low(db, sku, now)?;
    }
    Ok(())
}

/// Lets no other transaction keep or change a SKU before this one has ended.
pub(crate) fn keep(db: &mut Db, sku: &str) -> Done<()> {
    diesel::update(item::table.find(sku)).set(item::created_at.eq(item::created_at)).execute(db)?;
    Ok(())
}

/// Compares what is available of a SKU, which nobody else changes now, with its threshold; what there is of it.
fn note_low(db: &mut Db, sku: &str, now: Timestamp) -> Done<i64> {
    let watched: (Option<String>, Option<i64>, Option<i64>) =
        item::table.find(sku).select((item::supplier, item::low_stock_threshold, item::low_since)).first(db)?;
    let available = levels::totals(db, &[sku])?.get(sku).copied().unwrap_or(0);
    let (supplier, Some(threshold), low_since) = watched else { return Ok(available) };
    let is_low = available <= threshold;
    if is_low == low_since.is_some() {
        return Ok(available);
    }
    let since = is_low.then_some(now.micros());
    diesel::update(item::table.find(sku)).set(item::low_since.eq(since)).execute(db)?;
    if is_low {
        let event = Low { sku, available, low_stock_threshold: threshold, supplier: supplier.as_deref() };
        outbox::put(db, "stock.low", sku, &event, now)?;
    }
    Ok(available)
}

#[derive(Serialize)]
struct Low<'a> {
    sku: &'a str,
    available: i64,
    low_stock_threshold: i64,
    supplier: Option<&'a str>,
}

/// A SKU and the quantity at which it counts as low.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Threshold {
    /// The SKU.
    pub sku: Sku,
    /// Low when no more than this is available; `null` for never.
    pub low_stock_threshold: Option<i64>,
    /// What is available over all locations.
    pub available: i64,
    /// Since when it is low; `null` while it is not.
    pub low_since: Option<Timestamp>,
}

/// Sets or clears a SKU's threshold.
pub(crate) fn set_threshold(
    db: &mut Db,
    sku: &Sku,
    threshold: Option<i64>,
    supplier: Option<&str>,
    now: Timestamp,
) -> Done<Threshold> {
    require(db, &BTreeSet::from([sku.as_str()]), supplier)?;
    // Whoever is changing its stock now, or begins to keep it somewhere, does not yet know of the threshold, so it is
    // waited for: levels are locked before their item, and what was made meanwhile after it.
    levels::keep_all(db, sku)?;
    keep(db, sku.as_str())?;
    levels::keep_all(db, sku)?;
    let row = item::table.find(sku.as_str());
    let available = match threshold {
        Some(threshold) => {
            diesel::update(row).set(item::low_stock_threshold.eq(threshold)).execute(db)?;
            note_low(db, sku, now)?
        }
        None => {
            let cleared = (item::low_stock_threshold.eq(None::<i64>), item::low_since.eq(None::<i64>));
            diesel::update(row).set(cleared).execute(db)?;
            levels::totals(db, &[sku])?.get(sku.as_str()).copied().unwrap_or(0)
        }
    };
    let low_since: Option<i64> = row.select(item::low_since).first(db)?;
    let low_since = low_since.map(Timestamp::from_micros);
    Ok(Threshold { sku: sku.clone(), low_stock_threshold: threshold, available, low_since })
}

/// A page of the SKUs that are low, those that became so last first.
pub(crate) fn low(db: &mut Db, window: Window, supplier: Option<&str>) -> Done<Page<Threshold>> {
    let mut query = item::table
        .filter(item::low_since.is_not_null())
        .select((item::sku, item::low_stock_threshold, item::low_since))
        .limit(window.limit.probe())
        .into_boxed::<Backend>();
    if let Some(supplier) = supplier {
        query = query.filter(is(item::supplier, supplier)).order(item::supplier.desc());
    }
    if let Some(after) = window.after {
        let (since, sku) = after.0;
        query = query.filter(item::low_since.le(since).and(item::low_since.lt(since).or(item::sku.lt(sku))));
    }
    let newest = query.then_order_by((item::low_since.desc(), item::sku.desc()));
    let rows = diesel::RunQueryDsl::load(newest, db)?;
    low_page(db, rows, window.limit)
}

type LowRow = (String, Option<i64>, Option<i64>);

fn low_page(db: &mut Db, rows: Vec<LowRow>, limit: Limit) -> Done<Page<Threshold>> {
    let names: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    let totals = levels::totals(db, &names)?;
    let page = Page::of(rows, limit, |(sku, _, since)| (since.unwrap_or(0), sku.clone()));
    Ok(page.map(|(sku, low_stock_threshold, since)| Threshold {
        available: totals.get(&sku).copied().unwrap_or(0),
        sku: Sku::stored(sku),
        low_stock_threshold,
        low_since: since.map(Timestamp::from_micros),
    }))
}
