//! Idempotency keys, stored in the transaction of the effect they stand for.

use std::time::Duration;

use crate::prelude::*;
use emporium_kernel::{Fault, Idempotency, Problem, Stored, Timestamp};
use serde::Serialize;

use crate::savepoint::undo_job;
use crate::schema::idempotency::dsl;
use crate::{Db, Failure};

/// How long a key is kept; the identifiers behind it are unique for ever.
pub const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What is known of a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing: this is its first request.
    Never,
    /// It was answered like this.
    Answered(Stored),
    /// Its answer is rendered from the thing with this id.
    Target(String),
    /// It came before with another request.
    Reused,
}

/// Carries out `effect` once for a key and answers every later request with the same as the first. A refusal undoes
/// the effect and is stored as well; a failure of ours is not. This is all that its job does.
pub fn once<T: Serialize, E: Fault>(
    db: &mut Db,
    key: &Idempotency,
    now: Timestamp,
    status: u16,
    effect: impl FnOnce(&mut Db) -> Result<T, Failure<E>>,
) -> Result<Stored, Failure<E>> {
    match seen(db, key)? {
        Seen::Answered(stored) => return Ok(stored),
        Seen::Reused => return rendered(Stored::refusal(&reused())),
        Seen::Target(target) => return Err(Failure::corrupt(format!("key points at {target}"))),
        Seen::Never => {}
    }
    let stored = match effect(db) {
        Ok(answer) => rendered(Stored::success(status, &answer))?,
        Err(Failure::Refused(refusal)) if refusal.outage().is_none() => {
            undo_job(db)?;
            rendered(Stored::refusal(&Problem::from(refusal)))?
        }
        Err(failure) => return Err(failure),
    };
    insert(db, key, Some((&stored).into()), None, now)?;
    Ok(stored)
}

/// What is known of a key.
pub fn seen<E>(db: &mut Db, key: &Idempotency) -> Result<Seen, Failure<E>> {
    type Row = (String, Option<i32>, Option<String>, Option<String>);
    let row: Option<Row> = dsl::idempotency
        .filter(dsl::scope.eq(&key.scope).and(dsl::key.eq(&key.key)))
        .select((dsl::fingerprint, dsl::status, dsl::body, dsl::target))
        .first(db)
        .optional()?;
    Ok(match row {
        None => Seen::Never,
        Some((fingerprint, ..)) if fingerprint != key.fingerprint => Seen::Reused,
        Some((_, Some(status), Some(body), _)) => {
            let status = u16::try_from(status).map_err(Failure::corrupt)?;
            Seen::Answered(Stored { status, body, replayed: true })
        }
        Some((.., target)) => Seen::Target(target.unwrap_or_default()),
    })
}

/// Whether a request that may come with a key is to be carried out.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is the first, or has no key.
    First,
    /// It was carried out before and made or changed the thing with this id.
    Again(String),
    /// Its key came before with another request.
    Reused,
}

/// Whether a request is to be carried out that makes or changes the thing with the id `target`; from now on its key
/// stands for that.
pub fn turn<E>(db: &mut Db, key: Option<&Idempotency>, target: &str, now: Timestamp) -> Result<Turn, Failure<E>> {
    let Some(key) = key else { return Ok(Turn::First) };
    Ok(match seen(db, key)? {
        Seen::Never => {
            point(db, key, target, now)?;
            Turn::First
        }
        Seen::Target(target) => Turn::Again(target),
        Seen::Answered(_) | Seen::Reused => Turn::Reused,
    })
}

/// Makes a key stand for the thing with the id `target`, from which its answer will be rendered.
pub fn point<E>(db: &mut Db, key: &Idempotency, target: &str, now: Timestamp) -> Result<(), Failure<E>> {
    insert(db, key, None, Some(target), now)
}

/// Whether this very work was carried out before, and only the answer to its commit was lost: for work that is not
/// repeatable by itself. `id` is the work's own; it is captured, and nobody else has it.
pub fn already_applied<E>(db: &mut Db, id: &str, now: Timestamp) -> Result<bool, Failure<E>> {
    let before = was_applied(db, id)?;
    if !before && is_of_server(db) {
        point(db, &command(id), "", now)?;
    }
    Ok(before)
}

/// The same, but nothing is noted when it was not.
pub fn was_applied<E>(db: &mut Db, id: &str) -> Result<bool, Failure<E>> {
    Ok(is_of_server(db) && seen(db, &command(id))? != Seen::Never)
}

/// How this very work ended that was carried out before, and of which only the answer to its commit was lost: for work
/// whose effect does not say it. It was noted with [`note`].
pub fn noted<E>(db: &mut Db, id: &str) -> Result<Option<String>, Failure<E>> {
    if !is_of_server(db) {
        return Ok(None);
    }
    Ok(match seen(db, &command(id))? {
        Seen::Target(outcome) => Some(outcome),
        Seen::Never | Seen::Answered(_) | Seen::Reused => None,
    })
}

/// Notes how work ended, in the transaction of its effect.
pub fn note<E>(db: &mut Db, id: &str, outcome: &str, now: Timestamp) -> Result<(), Failure<E>> {
    if is_of_server(db) { point(db, &command(id), outcome, now) } else { Ok(()) }
}

/// Elsewhere a commit that is not answered ends the process.
fn is_of_server(db: &Db) -> bool {
    !matches!(db, Db::Sqlite(_))
}

fn command(id: &str) -> Idempotency {
    Idempotency { scope: "command".to_owned(), key: id.to_owned(), fingerprint: String::new() }
}

/// The refusal of a key that came before with another request.
pub fn reused() -> Problem {
    let title = "this Idempotency-Key was used for another request; make a new one";
    Problem::unprocessable("idempotency_key_reused", title)
}

/// Forgets keys older than [`KEPT`], at most 500 at once.
pub fn prune<E>(db: &mut Db, now: Timestamp) -> Result<usize, Failure<E>> {
    let oldest = now.minus(KEPT).micros();
    let old: Vec<(String, String)> =
        dsl::idempotency.filter(dsl::created_at.lt(oldest)).select((dsl::scope, dsl::key)).limit(500).load(db)?;
    for (scope, key) in &old {
        let same = dsl::scope.eq(scope).and(dsl::key.eq(key));
        diesel::delete(dsl::idempotency.filter(same.and(dsl::created_at.lt(oldest)))).execute(db)?;
    }
    Ok(old.len())
}

struct Answered<'a>(i32, &'a str);

impl<'a> From<&'a Stored> for Answered<'a> {
    fn from(stored: &'a Stored) -> Self {
        Self(i32::from(stored.status), &stored.body)
    }
}

fn insert<E>(
    db: &mut Db,
    key: &Idempotency,
    answered: Option<Answered<'_>>,
    target: Option<&str>,
    now: Timestamp,
) -> Result<(), Failure<E>> {
    let row = (
        dsl::scope.eq(&key.scope),
        dsl::key.eq(&key.key),
        dsl::fingerprint.eq(&key.fingerprint),
        dsl::status.eq(answered.as_ref().map(|a| a.0)),
        dsl::body.eq(answered.as_ref().map(|a| a.1)),
        dsl::target.eq(target),
        dsl::created_at.eq(now.micros()),
    );
    diesel::insert_into(dsl::idempotency).values(row).execute(db)?;
    Ok(())
}

fn rendered<E>(stored: Result<Stored, serde_json::Error>) -> Result<Stored, Failure<E>> {
    stored.map_err(Failure::corrupt)
}
