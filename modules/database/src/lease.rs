//! Leases: of several instances that share a database, one does what only one has to.

use std::time::Duration;

use emporium_kernel::{Fault, Random, Timestamp};

use crate::prelude::*;
use crate::schema::lease::dsl;
use crate::{Database, Db, Failure, Lane};

/// Whether this instance does `what` until nearly `now + term`. One that dies is followed by another when its lease has run out.
pub async fn take<E: Fault>(
    database: &Database,
    what: &'static str,
    now: Timestamp,
    term: Duration,
) -> Result<bool, E> {
    if !database.is_shared() {
        return Ok(true);
    }
    // Its end is hardly ever anybody else's: by that it is known again when the answer to its commit was lost.
    let spread = u64::try_from(term.as_micros() / 10).unwrap_or(u64::MAX).max(1);
    let until = now.plus(term).minus(Duration::from_micros(Random::system().below(spread))).micros();
    database.write_in(Lane::Continuation, move |db| claim(db, what, now, until)).await
}

fn claim<E>(db: &mut Db, what: &str, now: Timestamp, until: i64) -> Result<bool, Failure<E>> {
    let due = dsl::lease.filter(dsl::name.eq(what).and(dsl::lease_until.le(now.micros())));
    if diesel::update(due).set(dsl::lease_until.eq(until)).execute(db)? == 1 {
        return Ok(true);
    }
    let known: Option<i64> = dsl::lease.filter(dsl::name.eq(what)).select(dsl::lease_until).first(db).optional()?;
    if known.is_none() {
        let row = (dsl::name.eq(what), dsl::lease_until.eq(until));
        diesel::insert_into(dsl::lease).values(row).execute(db)?;
    }
    Ok(known.is_none_or(|known| known == until))
}
