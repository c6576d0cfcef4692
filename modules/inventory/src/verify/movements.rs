//! What must hold along the movements of a level: no gap, each the sum of all before it, the last one the level.

use diesel::dsl::max;
use diesel::prelude::*;
use emporium_database::Db;
use emporium_database::walk::Walk;
use emporium_inventory_api::InventoryError;
use emporium_kernel::Audit;

use crate::error::Done;
use crate::schema::{level, movement};

const ROWS: i64 = 1_000;

/// The movements of one level, added up as far as they were read. Movements are never changed, so reading may go on
/// in another transaction.
#[derive(Clone, Debug, Default)]
struct Sum {
    sku: String,
    location: String,
    version: i64,
    on_hand: i64,
    reserved: i64,
}

type Columns = (
    movement::sku,
    movement::location,
    movement::version,
    movement::delta_on_hand,
    movement::delta_reserved,
    movement::on_hand,
    movement::reserved,
);

const COLUMNS: Columns = (
    movement::sku,
    movement::location,
    movement::version,
    movement::delta_on_hand,
    movement::delta_reserved,
    movement::on_hand,
    movement::reserved,
);

#[derive(Queryable)]
struct Row {
    sku: String,
    location: String,
    version: i64,
    delta_on_hand: i64,
    delta_reserved: i64,
    on_hand: i64,
    reserved: i64,
}

/// What must hold along the movements there were when it began.
#[derive(Debug, Default)]
pub(super) struct Movements {
    /// The last of them.
    until: i64,
    sum: Sum,
}

impl Walk for Movements {
    type Error = InventoryError;

    fn begin(&mut self, db: &mut Db) -> Done<()> {
        let last: Option<i64> = movement::table.select(max(movement::seq)).first(db)?;
        self.until = last.unwrap_or(0);
        Ok(())
    }

    fn page(&mut self, db: &mut Db, audit: &mut Audit) -> Done<bool> {
        let rows = self.rows(db)?;
        audit.looked_at(rows.len());
        let more = !rows.is_empty();
        for row in rows {
            if (&row.sku, &row.location) != (&self.sum.sku, &self.sum.location) {
                close(db, audit, &self.sum)?;
                self.sum = Sum { sku: row.sku.clone(), location: row.location.clone(), ..Sum::default() };
            }
            add(audit, &mut self.sum, &row);
        }
        if !more {
            close(db, audit, &self.sum)?;
        }
        Ok(more)
    }
}

impl Movements {
    /// The rows that come next, each part a range of one index: of the same level, of the same SKU elsewhere, of others.
    fn rows(&self, db: &mut Db) -> Done<Vec<Row>> {
        let Self { until, sum } = self;
        let same_sku = || movement::sku.eq(sum.sku.as_str());
        let same_level = same_sku().and(movement::location.eq(sum.location.as_str()));
        // Compared such that no planner takes an index of the numbers, and sorts. What came meanwhile is passed over.
        let there = || movement::table.filter((movement::seq + 0).le(until)).select(COLUMNS);
        let mut rows: Vec<Row> = there()
            .filter(same_level.and(movement::version.gt(sum.version)))
            .order(movement::version)
            .limit(ROWS)
            .load(db)?;
        let elsewhere: Vec<Row> = there()
            .filter(same_sku().and(movement::location.gt(sum.location.as_str())))
            .order((movement::location, movement::version))
            .limit(room(&rows))
            .load(db)?;
        rows.extend(elsewhere);
        let others: Vec<Row> = there()
            .filter(movement::sku.gt(sum.sku.as_str()))
            .order((movement::sku, movement::location, movement::version))
            .limit(room(&rows))
            .load(db)?;
        rows.extend(others);
        Ok(rows)
    }
}

fn room(rows: &[Row]) -> i64 {
    i64::try_from(rows.len()).map_or(0, |rows| ROWS - rows)
}

fn add(audit: &mut Audit, sum: &mut Sum, row: &Row) {
    let subject = || format!("{} at {}, movement {}", row.sku, row.location, row.version);
    if row.version != sum.version + 1 {
        audit.find("movements_have_no_gap", subject(), format!("follows movement {}", sum.version));
    }
    sum.version = row.version;
    sum.on_hand += row.delta_on_hand;
    sum.reserved += row.delta_reserved;
    if (sum.on_hand, sum.reserved) != (row.on_hand, row.reserved) {
        let detail = format!(
            "results in on hand {} and reserved {}, the sum is {} and {}",
            row.on_hand, row.reserved, sum.on_hand, sum.reserved
        );
        audit.find("movement_results_in_sum", subject(), detail);
    }
}

/// Compares a level with the sum of its movements. A row that was removed had nothing in it.
fn close(db: &mut Db, audit: &mut Audit, sum: &Sum) -> Done<()> {
    let (sku, location) = (sum.sku.as_str(), sum.location.as_str());
    let here = movement::sku.eq(sku).and(movement::location.eq(location));
    let last: Option<i64> = movement::table.filter(here).select(max(movement::version)).first(db)?;
    if last.is_none_or(|last| last > sum.version) {
        // It changed since this began. As it was before, it was compared with a movement that is proved here.
        return Ok(());
    }
    let quantities: Option<(i64, i64)> =
        level::table.find((sku, location)).select((level::on_hand, level::reserved)).first(db).optional()?;
    if quantities.unwrap_or((0, 0)) != (sum.on_hand, sum.reserved) {
        let (on_hand, reserved) = quantities.unwrap_or((0, 0));
        let detail = format!(
            "on hand {on_hand} and reserved {reserved}, the sum of its movements is {} and {}",
            sum.on_hand, sum.reserved
        );
        audit.find("level_is_sum_of_movements", format!("{sku} at {location}"), detail);
    }
    Ok(())
}
