//! The outbox: events written with the change they tell of, numbered after the commit, pulled by consumers.

use std::time::Duration;

use crate::prelude::*;
use emporium_kernel::{After, Event, Events, Fault, Timestamp};
use serde::Serialize;

use crate::schema::outbox::dsl;
use crate::{Database, Db, Failure, Lane, overtaken};

/// How long events are kept for consumers that lag.
pub const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const NUMBERED_AT_ONCE: i64 = 500;

/// Tells of a change, in the change's own transaction.
pub fn put<E>(
    db: &mut Db,
    topic: &str,
    subject: &str,
    body: &impl Serialize,
    now: Timestamp,
) -> Result<(), Failure<E>> {
    let body = serde_json::to_string(body).map_err(Failure::corrupt)?;
    let row = (dsl::topic.eq(topic), dsl::subject.eq(subject), dsl::body.eq(body), dsl::created_at.eq(now.micros()));
    diesel::insert_into(dsl::outbox).values(row).execute(db)?;
    Ok(())
}

/// The events after a number. Those that have none yet are numbered first: only what is committed gets a number, so
/// no event can appear later below a number that was already given out.
pub async fn after<E: Fault>(database: &Database, after: After) -> Result<Events, E> {
    if database.read(has_unnumbered).await? {
        database.write_step("number_events", Lane::Continuation, number).await?;
    }
    let events = database.read(move |db| page(db, after)).await?;
    Ok(Events { events })
}

/// Gives every committed event its number, at most 100,000 of them; the last number.
pub async fn number_all<E: Fault>(database: &Database) -> Result<i64, E> {
    for _ in 0..200 {
        if !database.read(has_unnumbered).await? {
            break;
        }
        database.write_step("number_events", Lane::Continuation, number).await?;
    }
    database.read(last_number).await
}

/// The highest number given so far.
pub fn last_number<E>(db: &mut Db) -> Result<i64, Failure<E>> {
    let last: Option<Option<i64>> = dsl::outbox
        .filter(dsl::number.is_not_null())
        .select(dsl::number)
        .order(dsl::number.desc())
        .first(db)
        .optional()?;
    Ok(last.flatten().unwrap_or(0))
}

/// Forgets numbered events older than [`KEPT`], at most 500 at once; the newest stays, to go on counting from.
pub fn prune<E>(db: &mut Db, now: Timestamp) -> Result<usize, Failure<E>> {
    let last = last_number(db)?;
    let old: Vec<i64> = dsl::outbox
        .filter(dsl::created_at.lt(now.minus(KEPT).micros()).and(dsl::number.lt(last)))
        .select(dsl::seq)
        .limit(500)
        .load(db)?;
    diesel::delete(dsl::outbox.filter(dsl::seq.eq_any(&old))).execute(db)?;
    Ok(old.len())
}

fn has_unnumbered<E>(db: &mut Db) -> Result<bool, Failure<E>> {
    let first: Option<i64> = dsl::outbox.filter(dsl::number.is_null()).select(dsl::seq).first(db).optional()?;
    Ok(first.is_some())
}

fn number<E>(db: &mut Db) -> Result<(), Failure<E>> {
    let mut last = last_number(db)?;
    let unnumbered: Vec<i64> =
        dsl::outbox.filter(dsl::number.is_null()).select(dsl::seq).order(dsl::seq).limit(NUMBERED_AT_ONCE).load(db)?;
    for seq in unnumbered {
        last += 1;
        let unnumbered = dsl::outbox.filter(dsl::seq.eq(seq).and(dsl::number.is_null()));
        if diesel::update(unnumbered).set(dsl::number.eq(last)).execute(db)? == 0 {
            return overtaken();
        }
    }
    Ok(())
}

fn page<E>(db: &mut Db, after: After) -> Result<Vec<Event>, Failure<E>> {
    let rows: Vec<(Option<i64>, String, String, String, i64)> = dsl::outbox
        .filter(dsl::number.gt(after.number))
        .select((dsl::number, dsl::topic, dsl::subject, dsl::body, dsl::created_at))
        .order(dsl::number)
        .limit(i64::from(after.limit.clamp(1, 500)))
        .load(db)?;
    rows.into_iter().map(event).collect()
}

fn event<E>(row: (Option<i64>, String, String, String, i64)) -> Result<Event, Failure<E>> {
    let (number, topic, subject, body, at) = row;
    let body = serde_json::from_str(&body).map_err(Failure::corrupt)?;
    Ok(Event { number: number.unwrap_or(0), topic, subject, body, at: Timestamp::from_micros(at) })
}
