//! What was read, kept in memory: bounded in number, and never older than the last write of this process. Where other
//! processes write as well, it is bounded in age too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cached::{Cached, LruCache};

/// What was read, by name, the least recently asked for leaving first. Clones share what they keep.
pub struct ReadCache<V>(Arc<Mutex<Held<V>>>);

struct Held<V> {
    /// Rises with every write, so that what was loaded before a write is not kept after it.
    generation: u64,
    /// Absent when nothing is to be kept. With the time it was read at.
    kept: Option<LruCache<String, (V, Instant)>>,
    /// How old it may become; for ever when absent.
    most_age: Option<Duration>,
}

impl<V> Clone for ReadCache<V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// The state of the cache when a load began.
#[derive(Clone, Copy, Debug)]
pub struct Generation(u64);

/// What a write made out of date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Nothing that can have been read.
    Nothing,
    /// What is kept under these names.
    Keys(Vec<String>),
    /// Anything.
    Everything,
}

impl<V: Clone> ReadCache<V> {
    /// Keeps at most `most`, nothing when it is 0, and each for `most_age` at most.
    pub(crate) fn new(most: usize, most_age: Option<Duration>) -> Self {
        let kept = LruCache::builder().max_size(most).build().ok();
        Self(Arc::new(Mutex::new(Held { generation: 0, kept, most_age })))
    }

    /// What is kept under this name.
    pub fn get(&self, key: &str) -> Option<V> {
        let mut held = self.held();
        let most_age = held.most_age;
        let (value, read_at) = held.kept.as_mut()?.cache_get(key)?;
        most_age.is_none_or(|most| read_at.elapsed() < most).then(|| value.clone())
    }

    /// To be taken before something is loaded.
    pub fn generation(&self) -> Generation {
        Generation(self.held().generation)
    }

    /// Keeps what was loaded since `since`, unless a write came between: it may be from before that write.
    pub fn keep(&self, key: String, value: V, since: Generation) {
        let mut held = self.held();
        if held.generation == since.0
            && let Some(kept) = &mut held.kept
        {
            kept.cache_set(key, (value, now()));
        }
    }

    /// Forgets what a write changed. To be called after its commit, and before the write is answered.
    pub fn forget(&self, stale: &Stale) {
        let mut held = self.held();
        held.generation += 1;
        let Some(kept) = &mut held.kept else { return };
        match stale {
            Stale::Nothing => {}
            Stale::Keys(keys) => {
                for key in keys {
                    let _ = kept.cache_remove(key.as_str());
                }
            }
            Stale::Everything => kept.cache_clear(),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held<V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "measures how long something has been kept")]
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_loaded_before_a_write_is_not_kept_after_it() {
        let cache = ReadCache::new(10, None);
        let reader = cache.generation();
        // The reader has loaded the old row; now a writer commits and forgets; then the reader comes to keep.
        cache.forget(&Stale::Keys(vec!["mug".to_owned()]));
        cache.keep("mug".to_owned(), "old", reader);
        assert_eq!(cache.get("mug"), None);
        cache.keep("mug".to_owned(), "new", cache.generation());
        assert_eq!(cache.get("mug"), Some("new"));
    }

    #[test]
    fn a_write_forgets_only_what_it_changed_or_everything() {
        let cache = ReadCache::new(10, None);
        for key in ["mug", "cup"] {
            cache.keep(key.to_owned(), "x", cache.generation());
        }
        cache.forget(&Stale::Keys(vec!["mug".to_owned()]));
        assert!(cache.get("mug").is_none() && cache.get("cup").is_some());
        cache.forget(&Stale::Everything);
        assert!(cache.get("cup").is_none());
    }

    #[test]
    fn where_others_write_too_it_grows_old() {
        let cache = ReadCache::new(10, Some(Duration::ZERO));
        cache.keep("mug".to_owned(), "x", cache.generation());
        assert_eq!(cache.get("mug"), None);
    }

    #[test]
    fn it_is_bounded_and_can_be_off() {
        let cache = ReadCache::new(2, None);
        for key in ["a", "b", "c"] {
            cache.keep(key.to_owned(), "x", cache.generation());
        }
        assert!(cache.get("a").is_none() && cache.get("b").is_some() && cache.get("c").is_some());
        let off = ReadCache::new(0, None);
        off.keep("a".to_owned(), "x", off.generation());
        assert!(off.get("a").is_none());
    }
}
