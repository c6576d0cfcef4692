//! How often one place may ask for something that costs us much: so many times a minute, all of them at once if it likes.
//! Counted in memory, for each process.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cached::{Cached, LruCache};
use emporium_auth_api::AuthError;
use emporium_kernel::Timestamp;

/// Places that are remembered, the one that asked least recently leaving first.
const PLACES: usize = 100_000;
const MINUTE: Duration = Duration::from_secs(60);

/// A limit (the generic cell rate algorithm of ITU-T I.371).
pub(crate) struct Rate {
    /// The time that one request takes of a minute; `None` where there is no limit.
    each: Option<Duration>,
    /// Until when the requests of a place have used up their time.
    spent: Mutex<LruCache<String, Timestamp>>,
}

impl Rate {
    /// So many requests a minute for each place; 0 for any number.
    pub(crate) fn of(per_minute: u32) -> Option<Self> {
        let each = (per_minute > 0).then(|| MINUTE / per_minute);
        let spent = LruCache::builder().max_size(PLACES).build().ok()?;
        Some(Self { each, spent: Mutex::new(spent) })
    }

    /// Counts a request, or says when the next one may come.
    pub(crate) fn take(&self, place: &str, now: Timestamp) -> Result<(), AuthError> {
        let Some(each) = self.each else { return Ok(()) };
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let until = spent.cache_get(place).copied().unwrap_or(now).max(now).plus(each);
        let over = until.since(now).saturating_sub(MINUTE);
        if !over.is_zero() {
            let retry_after_secs = u32::try_from(over.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
            return Err(AuthError::TooManyAttempts { retry_after_secs });
        }
        spent.cache_set(place.to_owned(), until);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_so_many_a_minute_and_another_place_has_its_own() {
        let rate = Rate::of(3).expect("a rate");
        let at = |secs: u64| Timestamp::from_micros(0).plus(Duration::from_secs(secs));
        let passes = |place: &str, secs| rate.take(place, at(secs)).is_ok();
        assert!((0..3).all(|_| passes("a", 100)), "all of a minute at once");
        assert!(!passes("a", 100) && passes("b", 100));
        assert_eq!(rate.take("a", at(110)), Err(AuthError::TooManyAttempts { retry_after_secs: 11 }));
        assert!(passes("a", 120) && !passes("a", 120), "a third of a minute later there is one");
        let free = Rate::of(0).expect("a rate");
        assert!((0..10_000).all(|_| free.take("a", at(0)).is_ok()));
    }
}
