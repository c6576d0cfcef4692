//! Recovery: orders whose lease ran out are claimed and driven on, at start and on every tick.

use std::sync::Arc;
use std::time::Duration;

use emporium_database::prelude::*;
use emporium_database::{Lane, idempotency, refuse};
use emporium_kernel::Timestamp;
use emporium_shop_api::OrderId;
use futures_util::StreamExt;
use schemars::JsonSchema;
use serde::Serialize;

use super::order::{OrderStatus, Placing, Step, find};
use crate::error::Done;
use crate::schema::orders;
use crate::{Shop, ShopError};

/// Orders claimed in one round.
const ROUND: i64 = 50;
/// Orders driven at the same time in one round.
const AT_ONCE: usize = 16;
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// An order whose saga is not finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StuckOrder {
    /// Names it.
    pub id: OrderId,
    /// Names it for people.
    pub number: String,
    /// Where its saga stands.
    pub step: String,
    /// How often it was taken up again.
    pub attempts: i32,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it is taken up next.
    pub due_at: Timestamp,
    /// Since when.
    pub created_at: Timestamp,
}

impl Shop {
    /// Takes over every unfinished order at once. Only for a process that owns the database alone: nobody else can
    /// be driving one.
    pub async fn take_over(&self) -> Result<(), ShopError> {
        self.database
            .write_step("take_over", Lane::Continuation, |db| {
                let unfinished = orders::table.filter(orders::step.ne(Step::Done.name()));
                diesel::update(unfinished).set(orders::lease_until.eq(0)).execute(db)?;
                Ok(())
            })
            .await
    }

    /// One round of recovery: claims orders that are due and drives them. Returns how many it took up.
    pub async fn recover(self: &Arc<Self>) -> Result<usize, ShopError> {
        let now = self.clock.now();
        let due: Vec<(String, i64)> = self.database.read(move |db| due(db, now)).await?;
        let taken = due.len();
        let driven = futures_util::stream::iter(due).map(|(id, lease)| {
            let shop = self.clone();
            // A task of its own: one order that panics leaves the others alone.
            tokio::spawn(async move { shop.resume(id, lease).await })
        });
        driven.buffer_unordered(AT_ONCE).for_each(|_| std::future::ready(())).await;
        Ok(taken)
    }

    /// Claims one order and drives it; its failure is logged and leaves the others alone.
    async fn resume(self: Arc<Self>, id: String, lease: i64) {
        let resumed = match self.claim(id.clone(), lease).await {
            Ok(Some(order)) => self.drive(order).await.map(drop),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = resumed {
            tracing::warn!(order = id, %error, "an order could not be finished yet");
        }
    }

    /// Takes an order whose lease still is what was seen; `None` when another was faster.
    async fn claim(&self, id: String, seen: i64) -> Result<Option<Placing>, ShopError> {
        let lease = self.lease_from_now().micros();
        let (now, command) = (self.clock.now(), self.random.token::<16>());
        self.database
            .write_step("claim_order", Lane::Continuation, move |db| {
                if idempotency::was_applied(db, &command)? {
                    return find(db, &id);
                }
                let same = orders::table.filter(orders::id.eq(&id).and(orders::lease_until.eq(seen)));
                let set = (orders::lease_until.eq(lease), orders::attempts.eq(orders::attempts + 1));
                if diesel::update(same).set(set).execute(db)? == 0 {
                    return Ok(None);
                }
                idempotency::already_applied::<ShopError>(db, &command, now)?;
                find(db, &id)
            })
            .await
    }

    /// Puts an order off because a neighbour did not answer.
    pub(crate) async fn defer(&self, order: &Placing, error: &ShopError) {
        let delay = backoff(order.row.attempts);
        let jitter = Duration::from_millis(self.random.below(100));
        let (id, due) = (order.row.id.clone(), self.clock.now().plus(delay + jitter).micros());
        let lease = order.row.lease_until;
        let error = error.to_string();
        let put_off = self.database.write_step("defer", Lane::Continuation, move |db| -> Done<()> {
            // Whoever has taken it over meanwhile keeps it.
            let own = orders::id.eq(&id).and(orders::lease_until.eq(lease));
            let unfinished = orders::table.filter(own.and(orders::step.ne(Step::Done.name())));
            diesel::update(unfinished).set((orders::lease_until.eq(due), orders::last_error.eq(&error))).execute(db)?;
            Ok(())
        });
        if let Err(error) = put_off.await {
            tracing::warn!(order = order.row.id, %error, "an order could not be put off; its lease will run out");
        }
    }

    /// Orders whose saga is not finished, oldest first.
    pub async fn unfinished(&self) -> Result<Vec<StuckOrder>, ShopError> {
        self.database
            .read(|db| {
                // Just as long as its saga goes on an order is pending, and for that there is an index with the time.
                let rows: Vec<StuckRow> = orders::table
                    .filter(orders::status.eq(OrderStatus::Pending.name()))
                    .select((
                        orders::id,
                        orders::number,
                        orders::step,
                        orders::attempts,
                        orders::last_error,
                        orders::lease_until,
                        orders::created_at,
                    ))
                    .order((orders::created_at, orders::id))
                    .limit(1_000)
                    .load(db)?;
                Ok(rows.into_iter().map(stuck).collect())
            })
            .await
    }

    /// Drives one unfinished order now, whoever holds its lease.
    pub async fn retry(self: &Arc<Self>, id: &OrderId) -> Result<(), ShopError> {
        let id = id.as_str().to_owned();
        let order =
            self.database.read(move |db| find(db, &id)?.map_or_else(|| refuse(ShopError::NotFound), Ok)).await?;
        self.drive(order).await.map(drop)
    }
}

/// How long an order waits that was taken up this often: twice as long each time, at most a minute.
pub(crate) fn backoff(attempts: i32) -> Duration {
    let exponent = u32::try_from(attempts.clamp(0, 16)).unwrap_or(0);
    Duration::from_millis(200).saturating_mul(1 << exponent).min(LONGEST_DELAY)
}

fn due(db: &mut emporium_database::Db, now: Timestamp) -> Done<Vec<(String, i64)>> {
    Ok(orders::table
        .filter(orders::step.ne(Step::Done.name()).and(orders::lease_until.le(now.micros())))
        .select((orders::id, orders::lease_until))
        .order(orders::lease_until)
        .limit(ROUND)
        .load(db)?)
}

/// Id, number, step, attempts, last error, due at, created at.
type StuckRow = (String, String, String, i32, Option<String>, i64, i64);

fn stuck(row: StuckRow) -> StuckOrder {
    let (id, number, step, attempts, last_error, due, created) = row;
    StuckOrder {
        id: OrderId::stored(id),
        number,
        step,
        attempts,
        last_error,
        due_at: Timestamp::from_micros(due),
        created_at: Timestamp::from_micros(created),
    }
}
