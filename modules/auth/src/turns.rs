//! Tries that go on at this moment: a few at a time for each account and place, so that failures are counted before many
//! more are begun.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use emporium_kernel::Outage;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::throttle::Attempt;

/// Accounts at places that are remembered before those are dropped at which nobody tries any more.
const REMEMBERED: usize = 10_000;

/// Who tries now.
pub(crate) struct Turns {
    at_once: usize,
    /// How many may wait for the tries before them; one more is told to come back.
    waiting: usize,
    /// There as long as somebody tries or waits.
    queues: Mutex<HashMap<(String, String), Weak<Semaphore>>>,
}

/// A try goes on until this is dropped.
#[must_use]
pub(crate) struct Turn(#[expect(dead_code, reason = "it is held")] OwnedSemaphorePermit);

impl Turns {
    pub(crate) fn new(at_once: usize, waiting: usize) -> Self {
        Self { at_once: at_once.max(1), waiting, queues: Mutex::default() }
    }

    /// Waits until fewer try at the account from that place.
    pub(crate) async fn take(&self, attempt: &Attempt) -> Result<Turn, Outage> {
        let queue = self.queue(attempt);
        // Each that tries or waits holds the queue.
        if Arc::strong_count(&queue) > self.at_once.saturating_add(self.waiting) {
            return Err(Outage::Busy);
        }
        queue.acquire_owned().await.map(Turn).map_err(|_| Outage::Internal)
    }

    fn queue(&self, attempt: &Attempt) -> Arc<Semaphore> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (attempt.account.clone(), attempt.place.clone());
        if let Some(queue) = queues.get(&key).and_then(Weak::upgrade) {
            return queue;
        }
        if queues.len() >= REMEMBERED {
            queues.retain(|_, queue| queue.strong_count() > 0);
        }
        let queue = Arc::new(Semaphore::new(self.at_once));
        queues.insert(key, Arc::downgrade(&queue));
        queue
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use emporium_kernel::Timestamp;

    use super::*;

    fn at(account: &str, place: &str) -> Attempt {
        let now = Timestamp::from_micros(0);
        Attempt { account: account.to_owned(), place: place.to_owned(), apart: false, now }
    }

    fn poll<T>(work: impl Future<Output = T>) -> Option<T> {
        match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        }
    }

    #[test]
    fn so_many_try_at_an_account_from_a_place_a_few_wait_and_the_next_is_told_to_come_back() {
        let turns = Turns::new(2, 1);
        let (ada, bob, elsewhere) = (at("ada", "a"), at("bob", "a"), at("ada", "b"));
        let take = |attempt: &Attempt| poll(turns.take(attempt)).and_then(Result::ok);
        let (first, second) = (take(&ada).expect("a turn"), take(&ada).expect("a turn"));
        let mut waits = Box::pin(turns.take(&ada));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waits.as_mut().poll(&mut context).is_pending());
        assert!(matches!(poll(turns.take(&ada)), Some(Err(Outage::Busy))));
        assert!(take(&bob).is_some() && take(&elsewhere).is_some());
        drop(first);
        assert!(matches!(waits.as_mut().poll(&mut context), Poll::Ready(Ok(_))));
        drop((second, waits));
        assert!(take(&ada).is_some());
    }

    #[test]
    fn nobody_who_does_not_try_is_remembered_for_long() {
        let turns = Turns::new(1, 1);
        for number in 0..3 * REMEMBERED {
            assert!(poll(turns.take(&at(&number.to_string(), "a"))).is_some());
        }
        assert!(turns.queues.lock().expect("a lock").len() <= REMEMBERED);
    }
}
