//! API keys: what integrations send instead of an access token, and who stands behind one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cached::ShardedLruCache;
use emporium_kernel::{Call, Caller, Clock, Fault, Freshness, Outage, Role, Scope, Timestamp, Unauthenticated, id};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::{Auth, AuthError, UserId};

id!(
    /// Names an API key; it is no secret.
    ApiKeyId = "key"
);

/// What every API key begins with, so that scanners find one that leaked.
pub const API_KEY_PREFIX: &str = "emk_";
/// The prefix and 256 random bits in base64url.
const API_KEY_CHARACTERS: usize = API_KEY_PREFIX.len() + 43;
const SHARDS: usize = 4;
const REMEMBERED_PER_SHARD: usize = 250;
/// Keys never met before that are asked about at the same time; the next is told to come back.
const ASKED_AT_ONCE: usize = 64;
/// How long a key is taken for good without asking again, where that may be.
const RECENT: Duration = Duration::from_secs(3);
/// How long that answer is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a key that was good is still taken where that may be, while nobody answers.
const UNANSWERED: Duration = Duration::from_secs(60);

/// An API key as it is stored and asked about: SHA-256 in base64url. A key is 256 random bits, so one round suffices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyHash {
    /// The hash.
    pub hash: String,
}

impl KeyHash {
    /// The hash of a key; `None` for what cannot be one.
    pub fn of(key: &str) -> Option<Self> {
        let fits = key.len() == API_KEY_CHARACTERS && key.starts_with(API_KEY_PREFIX);
        fits.then(|| Self { hash: URL_SAFE_NO_PAD.encode(digest(&SHA256, key.as_bytes())) })
    }
}

/// Whom a key speaks for, and what it may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyHolder {
    /// The key.
    pub key: ApiKeyId,
    /// Who made it.
    pub user: UserId,
    /// The roles that this user has now.
    pub roles: BTreeSet<Role>,
    /// What the key is for; what the roles do not allow it cannot do either.
    pub scopes: BTreeSet<Scope>,
}

/// What is known of keys that were asked about.
pub(crate) struct KeyHolders {
    auth: Arc<dyn Auth>,
    clock: Clock,
    remembered: ShardedLruCache<String, (Arc<Caller>, Timestamp)>,
    asking: Semaphore,
}

impl KeyHolders {
    pub(crate) fn new(auth: Arc<dyn Auth>, clock: Clock) -> Self {
        let cache = ShardedLruCache::builder().shards(SHARDS).per_shard_max_size(REMEMBERED_PER_SHARD).build();
        #[expect(clippy::expect_used, reason = "only sizes of zero are refused, and these are constants")]
        let remembered = cache.expect("a cache of constant size");
        Self { auth, clock, remembered, asking: Semaphore::new(ASKED_AT_ONCE) }
    }

    /// Who sends this key. Auth is asked each time where that has to be settled now, otherwise every three seconds.
    pub(crate) async fn caller(&self, key: &str, freshness: Freshness) -> Result<Arc<Caller>, Unauthenticated> {
        let asked = KeyHash::of(key).ok_or(Unauthenticated::Refused)?;
        let (hash, now) = (asked.hash.clone(), self.clock.now());
        let remembered = self.remembered.get(&hash);
        let known = remembered.as_ref().filter(|_| freshness != Freshness::Now);
        let within = |time: Duration| {
            let (caller, at) = known?;
            (now >= *at && now.since(*at) < time).then(|| caller.clone())
        };
        if let Some(caller) = within(RECENT) {
            return Ok(caller);
        }
        // Anybody can make up keys: those who ask what they are worth keep nobody else from asking auth.
        let turn = remembered.is_none().then(|| self.asking.try_acquire());
        let Ok(_turn) = turn.transpose() else { return Err(Unauthenticated::Unknown(Outage::Busy)) };
        match self.ask(asked).await {
            Ok(holder) => {
                let caller = Arc::new(holder.into_caller());
                self.remembered.set(hash, (caller.clone(), now));
                Ok(caller)
            }
            Err(error) if error.outage().is_none() => {
                self.remembered.remove(&hash);
                Err(Unauthenticated::Refused)
            }
            Err(error) => {
                let good = within(UNANSWERED).filter(|_| freshness == Freshness::Recent);
                good.ok_or_else(|| Unauthenticated::from_fault(&error))
            }
        }
    }

    async fn ask(&self, key: KeyHash) -> Result<KeyHolder, AuthError> {
        let call = Call::internal("api_key").within(PATIENCE);
        match tokio::time::timeout(PATIENCE, self.auth.check_key(&call, key)).await {
            Ok(answer) => answer,
            Err(_) => Err(Outage::Unreachable.into()),
        }
    }
}

impl KeyHolder {
    fn into_caller(self) -> Caller {
        let Self { key, user, roles, scopes } = self;
        Caller { id: user.to_string(), roles, session: key.to_string(), scopes: Some(scopes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_a_key_is_asked_about() {
        let key = format!("{API_KEY_PREFIX}{}", "a".repeat(43));
        assert!(KeyHash::of(&key).is_some_and(|hash| !hash.hash.contains("aaaa")));
        for other in ["", "emk_", &key[1..], &format!("{key}a")] {
            assert_eq!(KeyHash::of(other), None, "{other}");
        }
    }
}
