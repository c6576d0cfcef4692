//! Verification: every invariant of stock, proved from the rows. Large tables are read in chunks, each a short
//! transaction of its own; what a chunk compares, it reads in that one transaction.

mod levels;
mod movements;

use std::time::Duration;

use emporium_database::Db;
use emporium_database::prelude::*;
use emporium_database::walk::walk;
use emporium_inventory_api::{InventoryError, ReservationState};
use emporium_kernel::{Audit, Timestamp};

use crate::Stock;
use crate::error::Done;
use crate::reservations::name;
use crate::schema::reservation;

/// Checks everything.
pub(crate) async fn verify(stock: &Stock) -> Result<Audit, InventoryError> {
    let audit = stock.database.read_aside(levels::held_nowhere).await?;
    // Levels first: each is compared with its last movement, which the walk along the movements then comes to.
    let audit = walk(&stock.database, levels::Levels::default(), audit).await?;
    let audit = walk(&stock.database, movements::Movements::default(), audit).await?;
    let latest = stock.clock.now().minus((stock.settings.sweep_every() * 2).max(GRACE));
    stock.database.read_aside(move |db| overdue(db, audit, latest)).await
}

/// How long after its end a reservation may still stand: a process that was just started has not swept yet.
const GRACE: Duration = Duration::from_secs(120);

/// Reservations that two sweeps should have expired.
fn overdue(db: &mut Db, mut audit: Audit, latest: Timestamp) -> Done<Audit> {
    let held = reservation::state.eq(name(ReservationState::Reserved));
    let late: Option<(String, i64)> = reservation::table
        .filter(held.and(reservation::expires_at.lt(latest.micros())))
        .select((reservation::id, reservation::expires_at))
        .order(reservation::expires_at)
        .first(db)
        .optional()?;
    if let Some((id, expires_at)) = late {
        let since = Timestamp::from_micros(expires_at);
        audit.find("reservations_expire_in_time", id, format!("should have expired at {since}"));
    }
    Ok(audit)
}

#[cfg(test)]
#[path = "../../../tests/support/beside.rs"]
mod beside;

#[cfg(test)]
mod tests {
    use super::beside::{beside, thousand};
    use super::*;
    use crate::MIGRATIONS;

    /// SKUs with an empty level each, behind all others.
    fn levels(number: u32) -> String {
        let columns = "item (sku, title, supplier, low_stock_threshold, low_since, created_at)";
        let item = thousand(number, columns, "printf('SKU-%09d', n), '', null, null, null, 0");
        item + &thousand(number, "level", "printf('SKU-%09d', n), 'loc_00000000000000000000000000', 0, 0, 0")
    }

    /// Movements of one level: a piece comes with each odd number and goes with the next.
    fn movements(number: u32) -> String {
        let movement = "null, 'HOT', 'loc_00000000000000000000000000', n, 'adjust', 1 - 2 * ((n + 1) % 2), 0, n % 2, 0,
                        'adjustment', 'adj_1', null, null, 0";
        thousand(number, "movement", movement)
    }

    #[actix_web::test]
    async fn a_proof_looks_at_what_there_was_when_it_began() {
        let audit = beside(MIGRATIONS, levels, levels::Levels::default()).await;
        assert!(audit.is_clean() && audit.checked == 1_000, "{audit:?}");
        let audit = beside(MIGRATIONS, movements, movements::Movements::default()).await;
        assert!(audit.is_clean() && audit.checked == 1_000, "{audit:?}");
    }
}
