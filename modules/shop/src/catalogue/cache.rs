//! Products in memory for reading: rendered, bounded in number, and never older than the last write of this process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::http::header::HeaderValue;
use actix_web::web::Bytes;
use cached::{Cached, LruCache};

/// A product as it is answered.
#[derive(Debug)]
pub struct Rendered {
    /// The JSON.
    pub body: Bytes,
    /// Names this content.
    pub etag: HeaderValue,
}

/// Rendered products by id and by slug, the least recently asked for leaving first.
#[derive(Clone)]
pub struct ProductCache(Arc<Mutex<Held>>);

struct Held {
    /// Rises with every write, so that what was loaded before a write is not kept after it.
    generation: u64,
    /// Absent when nothing is to be kept.
    products: Option<LruCache<String, Arc<Rendered>>>,
}

/// The state of the cache when a load began.
#[derive(Clone, Copy, Debug)]
pub struct Generation(u64);

/// What a write made out of date.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stale {
    /// Nothing that can have been read.
    Nothing,
    /// The products with these ids and slugs.
    Keys(Vec<String>),
    /// Any product.
    Everything,
}

impl ProductCache {
    /// Keeps at most `most` answers; none when it is 0.
    pub fn new(most: usize) -> Self {
        let products = LruCache::builder().max_size(most).build().ok();
        Self(Arc::new(Mutex::new(Held { generation: 0, products })))
    }

    /// The product with this id or slug, if it is kept.
    pub fn get(&self, key: &str) -> Option<Arc<Rendered>> {
        self.held().products.as_mut()?.cache_get(key).cloned()
    }

    /// To be taken before a product is loaded.
    pub fn generation(&self) -> Generation {
        Generation(self.held().generation)
    }

    /// Keeps what was loaded since `since`, unless a write came between: it may be from before that write.
    pub fn keep(&self, key: String, rendered: Arc<Rendered>, since: Generation) {
        let mut held = self.held();
        if held.generation == since.0
            && let Some(products) = &mut held.products
        {
            products.cache_set(key, rendered);
        }
    }

    /// Forgets what a write changed. To be called after its commit, and before the write is answered.
    pub(crate) fn forget(&self, stale: &Stale) {
        let mut held = self.held();
        held.generation += 1;
        let Some(products) = &mut held.products else { return };
        match stale {
            Stale::Nothing => {}
            Stale::Keys(keys) => {
                for key in keys {
                    let _ = products.cache_remove(key.as_str());
                }
            }
            Stale::Everything => products.cache_clear(),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(body: &'static str) -> Arc<Rendered> {
        Arc::new(Rendered { body: Bytes::from_static(body.as_bytes()), etag: HeaderValue::from_static("\"1\"") })
    }

    fn body(cache: &ProductCache, key: &str) -> Option<Bytes> {
        cache.get(key).map(|rendered| rendered.body.clone())
    }

    #[test]
    fn what_was_loaded_before_a_write_is_not_kept_after_it() {
        let cache = ProductCache::new(10);
        let reader = cache.generation();
        // The reader has loaded the old row; now a writer commits and forgets; then the reader comes to keep.
        cache.forget(&Stale::Keys(vec!["mug".to_owned()]));
        cache.keep("mug".to_owned(), rendered("old"), reader);
        assert_eq!(body(&cache, "mug"), None);
        cache.keep("mug".to_owned(), rendered("new"), cache.generation());
        assert_eq!(body(&cache, "mug").as_deref(), Some(b"new".as_slice()));
    }

    #[test]
    fn a_write_forgets_only_what_it_changed_and_a_category_everything() {
        let cache = ProductCache::new(10);
        for key in ["mug", "cup"] {
            cache.keep(key.to_owned(), rendered("x"), cache.generation());
        }
        cache.forget(&Stale::Keys(vec!["mug".to_owned()]));
        assert!(cache.get("mug").is_none() && cache.get("cup").is_some());
        cache.forget(&Stale::Everything);
        assert!(cache.get("cup").is_none());
    }

    #[test]
    fn it_is_bounded_and_can_be_off() {
        let cache = ProductCache::new(2);
        for key in ["a", "b", "c"] {
            cache.keep(key.to_owned(), rendered("x"), cache.generation());
        }
        assert!(cache.get("a").is_none() && cache.get("b").is_some() && cache.get("c").is_some());
        let off = ProductCache::new(0);
        off.keep("a".to_owned(), rendered("x"), off.generation());
        assert!(off.get("a").is_none());
    }
}
