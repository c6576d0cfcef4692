//! Verification: every invariant of stock, proved from the rows. Large tables are read in chunks, each a short
//! transaction of its own; what a chunk compares, it reads in that one transaction.

mod levels;
mod movements;

use std::time::Duration;

use emporium_database::Db;
use emporium_database::prelude::*;
use emporium_inventory_api::{InventoryError, ReservationState};
use emporium_kernel::{Audit, Timestamp};

use crate::Stock;
use crate::error::Done;
use crate::reservations::name;
use crate::schema::reservation;

/// Checks everything.
pub(crate) async fn verify(stock: &Stock) -> Result<Audit, InventoryError> {
    let audit = levels::check(&stock.database, Audit::default()).await?;
    let audit = movements::check(&stock.database, audit).await?;
    let latest = stock.clock.now().minus((stock.settings.sweep_every() * 2).max(GRACE));
    stock.database.read_aside(move |db| overdue(db, audit, latest)).await
}

/// Notes what breaks an invariant, the first time only.
fn note(audit: &mut Audit, invariant: &str, subject: impl Into<String>, detail: impl Into<String>) {
    if audit.findings.iter().all(|finding| finding.invariant != invariant) {
        audit.find(invariant, subject, detail);
    }
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
        note(&mut audit, "reservations_expire_in_time", id, format!("should have expired at {since}"));
    }
    Ok(audit)
}
