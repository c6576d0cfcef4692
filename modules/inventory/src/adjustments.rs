//! Adjustments: goods that come in, are counted, or are written off.

use std::collections::{BTreeMap, BTreeSet};

use emporium_database::{Db, overtaken, refuse};
use emporium_inventory_api::{AdjustRow, Change as By, InventoryError, Level};
use emporium_kernel::Timestamp;

use crate::error::Done;
use crate::items;
use crate::levels::{self, ANY, Change, MOST, Shelf};
use crate::locations::{self, MAIN};
use crate::movements::{Cause, CauseKind, Kind};

/// How often a level that others change meanwhile is looked at again.
const TRIES: usize = 16;
/// SKUs that are looked up with one query.
const REQUIRED_AT_ONCE: usize = 500;

/// An adjustment: its rows are done all or none.
#[derive(Clone, Debug)]
pub(crate) struct Adjustment {
    /// Its id, written on each movement.
    pub(crate) id: String,
    pub(crate) actor: String,
    pub(crate) rows: Vec<AdjustRow>,
    /// Only this supplier's SKUs exist for it, when one is given.
    pub(crate) supplier: Option<String>,
    pub(crate) now: Timestamp,
}

fn key(row: &AdjustRow) -> (&str, &str) {
    (row.sku.as_str(), row.location.as_ref().map_or(MAIN, |location| location.as_str()))
}

/// Carries it out; the levels it leads to, one for each row.
pub(crate) fn adjust(db: &mut Db, adjustment: &Adjustment) -> Done<Vec<Level>> {
    let keys: Vec<(&str, &str)> = adjustment.rows.iter().map(key).collect();
    items::require(db, &keys.iter().map(|key| key.0).collect(), adjustment.supplier.as_deref())?;
    locations::keep_all(db, &keys.iter().map(|key| key.1).collect::<BTreeSet<_>>())?;
    // A stable sort: stock is locked in its fixed order, and rows for the same stock are done as they were written.
    let mut rows: Vec<&AdjustRow> = adjustment.rows.iter().collect();
    rows.sort_by_key(|row| key(row));
    let (mut levels, mut changed) = (BTreeMap::new(), Vec::new());
    for row in rows {
        let (level, shelf) = adjust_row(db, adjustment, row)?;
        levels.insert(key(row), level);
        changed.extend(shelf);
    }
    items::watch(db, &changed, adjustment.now)?;
    Ok(keys.iter().filter_map(|key| levels.get(key).cloned()).collect())
}

/// What [`adjust`] would lead to, or why it would be refused, by what is stored now; nothing is changed.
pub(crate) fn foresee(db: &mut Db, rows: &[AdjustRow]) -> Done<Vec<Level>> {
    let keys: Vec<(&str, &str)> = rows.iter().map(key).collect();
    for some in keys.chunks(REQUIRED_AT_ONCE) {
        items::require(db, &some.iter().map(|key| key.0).collect(), None)?;
    }
    locations::require(db, &keys.iter().map(|key| key.1).collect::<BTreeSet<_>>())?;
    let mut foreseen: BTreeMap<(&str, &str), Level> = BTreeMap::new();
    for row in rows {
        let level = match foreseen.remove(&key(row)) {
            Some(level) => level,
            None => levels::look(db, key(row).0, key(row).1)?,
        };
        let by = step(&level, row)?;
        let (on_hand, available) = (level.on_hand + by, level.available + by);
        foreseen.insert(key(row), Level { on_hand, available, ..level });
    }
    Ok(keys.iter().filter_map(|key| foreseen.get(key).cloned()).collect())
}

fn adjust_row(db: &mut Db, adjustment: &Adjustment, row: &AdjustRow) -> Done<(Level, Option<Shelf>)> {
    let (sku, location) = key(row);
    for _ in 0..TRIES {
        let seen = levels::ensure(db, sku, location)?;
        let by = step(&seen, row)?;
        if by == 0 {
            return Ok((seen, None));
        }
        // A set, or a change of a known quantity, holds only for what was seen.
        let held = matches!(row.change, By::Set(_)) || row.expected_on_hand.is_some();
        let expected = if held { seen.on_hand..=seen.on_hand } else { ANY };
        let kind = if matches!(row.change, By::Delta(1..)) { Kind::Receive } else { Kind::Adjust };
        let change = Change { sku, location, kind, on_hand: by, reserved: 0 };
        if let Some(shelf) = levels::change(db, &change, expected, cause(adjustment, row))? {
            return Ok((shelf.level(), Some(shelf)));
        }
        // Somebody else changed it since it was seen: look again.
    }
    overtaken()
}

fn cause<'a>(adjustment: &'a Adjustment, row: &'a AdjustRow) -> Cause<'a> {
    Cause {
        kind: CauseKind::Adjustment,
        id: &adjustment.id,
        actor: Some(&adjustment.actor),
        reason: Some(&row.reason),
        at: adjustment.now,
    }
}

/// By how much `row` changes what is on hand, or why it may not.
fn step(seen: &Level, row: &AdjustRow) -> Done<i64> {
    let sku = || row.sku.to_string();
    if row.expected_on_hand.is_some_and(|expected| expected != seen.on_hand) {
        return refuse(InventoryError::StockChanged { sku: sku(), on_hand: seen.on_hand });
    }
    let after = match row.change {
        By::Delta(by) => seen.on_hand.saturating_add(by),
        By::Set(to) => to,
    };
    if after < seen.reserved {
        return refuse(InventoryError::BelowReserved { sku: sku(), available: seen.available });
    }
    if after > MOST {
        return refuse(InventoryError::TooMuch { sku: sku() });
    }
    Ok(after - seen.on_hand)
}
