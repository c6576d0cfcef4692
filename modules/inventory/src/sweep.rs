//! The sweep: what time does to stock. Reservations expire here, and old rows are forgotten.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use emporium_database::{Db, Lane, idempotency, outbox};
use emporium_inventory_api::InventoryError;
use emporium_kernel::Timestamp;

use crate::error::Done;
use crate::{Stock, commands, locations, reservations};

/// Transactions of one kind in one sweep; what is left over waits for the next.
const ROUNDS: i64 = 50;

/// When the last sweep was, by the clock and by the time that really passed.
#[derive(Debug, Default)]
pub(crate) struct LastSweep(Mutex<Option<(Timestamp, Instant)>>);

impl LastSweep {
    /// By how much the clock moved more or less than the time that passed since the last sweep.
    fn jump(&self, now: Timestamp) -> Duration {
        #[expect(clippy::disallowed_methods, reason = "measures how long ago the last sweep was")]
        let passing = Instant::now();
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace((now, passing));
        let Some((clock, instant)) = last else { return Duration::ZERO };
        let passed = passing.saturating_duration_since(instant);
        let expected = clock.plus(passed);
        now.since(expected).max(expected.since(now))
    }
}

/// One bounded sweep.
pub(crate) async fn sweep(stock: &Stock) -> Result<(), InventoryError> {
    let now = stock.clock.now();
    let (at_once, limit) = (stock.settings.expire_at_once.clamp(1, 500), stock.settings.clock_jump_secs);
    let jump = stock.last_sweep.jump(now);
    if limit > 0 && jump > Duration::from_secs(limit) {
        tracing::warn!(jump_secs = jump.as_secs(), "the clock jumped; reservations are not expired in this sweep");
    } else {
        let expire = move |db: &mut Db| reservations::expire_due(db, at_once, now);
        rounds(stock, "expire_reservations", usize::from(at_once), expire).await?;
    }
    let cleared = clear_removed(stock).await;
    rounds(stock, "prune_tombstones", 500, move |db| reservations::prune_tombstones(db, now)).await?;
    rounds(stock, "prune_commands", 500, move |db| commands::prune(db, now)).await?;
    rounds(stock, "prune_keys", 500, move |db| idempotency::prune(db, now)).await?;
    // Only events with a number are forgotten, and nobody else may be reading.
    outbox::number_all::<InventoryError>(&stock.database).await?;
    rounds(stock, "prune_events", 500, move |db| outbox::prune(db, now)).await?;
    cleared
}

/// Clears the locations that were removed, some of them, so far and in turn. One that fails does not keep the others from
/// being cleared.
async fn clear_removed(stock: &Stock) -> Result<(), InventoryError> {
    let removed = stock.database.read(|db| locations::removed(db, ROUNDS)).await?;
    let (mut waiting, mut done) = (VecDeque::from(removed), Ok(()));
    for _ in 0..ROUNDS {
        let Some(id) = waiting.pop_front() else { break };
        let clear = {
            let id = id.clone();
            move |db: &mut Db| locations::clear(db, &id)
        };
        match stock.database.write_step("clear_location", Lane::Continuation, clear).await {
            Ok(true) => {}
            Ok(false) => waiting.push_back(id),
            Err(error) => done = Err(error),
        }
    }
    done
}

/// Repeats `work` as long as it finds as much as it may do at once.
async fn rounds<F>(stock: &Stock, step: &'static str, full: usize, work: F) -> Result<(), InventoryError>
where
    F: Fn(&mut Db) -> Done<usize> + Clone + Send + 'static,
{
    for _ in 0..ROUNDS {
        if stock.database.write_step(step, Lane::Continuation, work.clone()).await? < full {
            break;
        }
    }
    Ok(())
}
