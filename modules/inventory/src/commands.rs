//! Commands of neighbours that are carried out once: their id, and what they were answered with.

use std::time::Duration;

use emporium_database::prelude::*;
use emporium_database::{Db, Failure, overtaken, savepoint};
use emporium_inventory_api::{InventoryError, Level};
use emporium_kernel::Timestamp;

use crate::error::Done;
use crate::schema::command;

/// How long a command's answer is kept.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What a command is answered with, refusals included.
pub(crate) type Outcome = Result<Vec<Level>, InventoryError>;

/// Carries out `effect` the first time and answers every later time as the first. A refusal undoes the effect.
pub(crate) fn once(
    db: &mut Db,
    id: &str,
    fingerprint: &str,
    now: Timestamp,
    effect: impl FnOnce(&mut Db) -> Done<Vec<Level>>,
) -> Done<Outcome> {
    match insert(db, id, fingerprint, now) {
        Err(failure) if failure.is_duplicate() => return stored(db, id, fingerprint),
        inserted => inserted?,
    }
    let outcome = match savepoint(db, effect) {
        Ok(levels) => Ok(levels),
        Err(Failure::Refused(refusal)) => Err(refusal),
        Err(failure) => return Err(failure),
    };
    let text = serde_json::to_string(&outcome).map_err(Failure::corrupt)?;
    diesel::update(command::table.find(id)).set(command::outcome.eq(text)).execute(db)?;
    Ok(outcome)
}

fn insert(db: &mut Db, id: &str, fingerprint: &str, now: Timestamp) -> Done<()> {
    let row = (
        command::id.eq(id),
        command::fingerprint.eq(fingerprint),
        command::outcome.eq(""),
        command::created_at.eq(now.micros()),
    );
    diesel::insert_into(command::table).values(row).execute(db)?;
    Ok(())
}

fn stored(db: &mut Db, id: &str, fingerprint: &str) -> Done<Outcome> {
    let stored: Option<(String, String)> =
        command::table.find(id).select((command::fingerprint, command::outcome)).first(db).optional()?;
    let Some((first, outcome)) = stored else { return overtaken() };
    if first != fingerprint {
        return Ok(Err(InventoryError::IdReused));
    }
    serde_json::from_str(&outcome).map_err(Failure::corrupt)
}

/// Forgets old commands, at most 500 at once.
pub(crate) fn prune(db: &mut Db, now: Timestamp) -> Done<usize> {
    let oldest = now.minus(KEPT).micros();
    let old: Vec<String> =
        command::table.filter(command::created_at.lt(oldest)).select(command::id).limit(500).load(db)?;
    diesel::delete(command::table.filter(command::id.eq_any(&old).and(command::created_at.lt(oldest)))).execute(db)?;
    Ok(old.len())
}
