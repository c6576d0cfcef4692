//! Following the events of a neighbour: at least once, in order, with the place stored together with the effect.

use std::sync::Arc;

use emporium_kernel::{After, Event, Events, Fault};

use crate::prelude::*;
use crate::schema::feed_cursor::dsl;
use crate::{Database, Db, Failure, Lane};

/// Events whose effects are one transaction.
const AT_ONCE: u16 = 10;
/// Pages of one round; what is left over waits for the next.
const PAGES: usize = 500;

/// Carries out what happened since the last time: `pull` asks for events, `apply` does what one of them asks for, and
/// may be told of one twice.
pub async fn follow<E, Apply>(
    database: &Database,
    feed: &'static str,
    pull: impl AsyncFn(After) -> Result<Events, E>,
    apply: Apply,
) -> Result<(), E>
where
    E: Fault,
    Apply: Fn(&mut Db, &Event) -> Result<(), Failure<E>> + Send + Sync + 'static,
{
    let apply = Arc::new(apply);
    for _ in 0..PAGES {
        let number = database.read(move |db| position(db, feed)).await?;
        let events = pull(After { number, limit: AT_ONCE }).await?.events;
        let Some(last) = events.last().map(|event| event.number) else { break };
        if number > 0 && events.first().is_some_and(|first| first.number > number + 1) {
            tracing::error!(
                feed,
                number,
                "events of a neighbour are missing: they were forgotten before they came here"
            );
        }
        let apply = apply.clone();
        let effect = move |db: &mut Db| {
            events.iter().try_for_each(|event| apply(db, event))?;
            advance(db, feed, last)
        };
        database.write_step("follow", Lane::Continuation, effect).await?;
    }
    Ok(())
}

fn position<E>(db: &mut Db, feed: &str) -> Result<i64, Failure<E>> {
    let number: Option<i64> = dsl::feed_cursor.find(feed).select(dsl::number).first(db).optional()?;
    Ok(number.unwrap_or(0))
}

/// Two that follow at once do the same twice, and the place never goes back.
fn advance<E>(db: &mut Db, feed: &str, number: i64) -> Result<(), Failure<E>> {
    let known: i64 = dsl::feed_cursor.filter(dsl::feed.eq(feed)).count().get_result(db)?;
    if known == 0 {
        diesel::insert_into(dsl::feed_cursor).values((dsl::feed.eq(feed), dsl::number.eq(number))).execute(db)?;
    } else {
        let behind = dsl::feed_cursor.filter(dsl::feed.eq(feed).and(dsl::number.lt(number)));
        diesel::update(behind).set(dsl::number.eq(number)).execute(db)?;
    }
    Ok(())
}
