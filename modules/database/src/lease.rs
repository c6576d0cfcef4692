//! Leases: of several instances that share a database, one does what only one has to.

use std::time::Duration;

use emporium_kernel::{Fault, Timestamp};

use crate::prelude::*;
use crate::schema::lease::dsl;
use crate::{Database, Db, Failure, Lane};

/// Whether this instance does `what` until `now + term`. One that dies is followed by another when its lease has run out.
pub async fn take<E: Fault>(
    database: &Database,
    what: &'static str,
    now: Timestamp,
    term: Duration,
) -> Result<bool, E> {
    if !database.is_shared() {
        return Ok(true);
    }
    database.write_in(Lane::Continuation, move |db| claim(db, what, now, term)).await
}

fn claim<E>(db: &mut Db, what: &str, now: Timestamp, term: Duration) -> Result<bool, Failure<E>> {
    let until = now.plus(term).micros();
    let due = dsl::lease.filter(dsl::name.eq(what).and(dsl::lease_until.le(now.micros())));
    if diesel::update(due).set(dsl::lease_until.eq(until)).execute(db)? == 1 {
        return Ok(true);
    }
    let known: i64 = dsl::lease.filter(dsl::name.eq(what)).count().get_result(db)?;
    if known == 0 {
        let row = (dsl::name.eq(what), dsl::lease_until.eq(until));
        diesel::insert_into(dsl::lease).values(row).execute(db)?;
    }
    Ok(known == 0)
}
