//! Access tokens: what they say, and the check every process makes of them (RFC 9068, RFC 8725).

use std::collections::{BTreeSet, HashMap};
use std::future::ready;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cached::ShardedLruCache;
use emporium_kernel::{Authenticator, Call, Caller, Clock, Fault, Freshness, Outage, Role, Timestamp, Unauthenticated};
use futures_util::future::BoxFuture;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::{Deserialize, Serialize};

use crate::api_key::{API_KEY_PREFIX, KeyHolders};
use crate::{Auth, AuthError, Grant, KeySet, PublicKey, SessionId, UserId};

/// Who issues access tokens: the claim `iss`.
pub const ISSUER: &str = "emporium";
/// Whom they are for: the claim `aud`.
pub const AUDIENCE: &str = "emporium";
/// Through which client the user logged in: the claim `client_id`.
pub const CLIENT_ID: &str = "emporium";
/// The kind of token: the header `typ`.
pub const TOKEN_TYPE: &str = "at+jwt";
/// The longest time between `iat` and `exp`, in seconds.
pub const MAX_LIFETIME_SECS: i64 = 15 * 60;

const LEEWAY_SECS: i64 = 30;
const MAX_TOKEN_BYTES: usize = 4 * 1024;
const MAX_KID_BYTES: usize = 64;
const SHARDS: usize = 16;
const REMEMBERED_PER_SHARD: usize = 625;
const FETCH_PATIENCE: Duration = Duration::from_secs(2);
/// How long an unknown key is simply refused after the keys were fetched.
const REFETCH_PAUSE: Duration = Duration::from_secs(30);
/// How long keys are kept that were fetched: `max-age` of the key set.
const KEPT: Duration = Duration::from_secs(5 * 60);
/// How long nobody asks again after the keys could not be had.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How long a token is taken for good without asking again, where that may be.
const RECENT: Duration = Duration::from_secs(3);
/// How long that answer is waited for.
const ASK_PATIENCE: Duration = Duration::from_secs(2);
/// How long a token that was good is still taken where that may be, while nobody answers.
const UNANSWERED: Duration = Duration::from_secs(60);

/// What an access token says. Every claim is required.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// [`ISSUER`].
    pub iss: String,
    /// The user.
    pub sub: UserId,
    /// [`AUDIENCE`].
    pub aud: String,
    /// When it ends, in seconds since the epoch.
    pub exp: i64,
    /// When it was issued, in seconds since the epoch.
    pub iat: i64,
    /// Names this token.
    pub jti: String,
    /// [`CLIENT_ID`].
    pub client_id: String,
    /// The user's roles when it was issued.
    pub roles: BTreeSet<Role>,
    /// The session it belongs to.
    pub sid: SessionId,
    /// The user's version when it was issued.
    pub ver: i64,
}

/// Checks access tokens against the keys of auth, near or far. Clones share what they know.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    auth: Arc<dyn Auth>,
    clock: Clock,
    validation: Validation,
    keys: RwLock<HashMap<String, DecodingKey>>,
    /// Rises when a key is withdrawn: what was verified before then is verified again.
    withdrawals: AtomicU64,
    /// Held while keys are fetched, so that one request asks and the others wait for its answer.
    last_fetch: tokio::sync::Mutex<Option<Fetch>>,
    remembered: ShardedLruCache<[u8; 32], Remembered>,
    /// Held while an answer of auth is compared with the one before.
    keeping: Mutex<()>,
    key_holders: KeyHolders,
}

/// A token that was verified before.
#[derive(Clone)]
struct Remembered {
    caller: Arc<Caller>,
    until_secs: i64,
    grant: Grant,
    /// [`Inner::withdrawals`] before its key was looked up.
    withdrawals: u64,
    /// When auth last said that it is good.
    asked_at: Option<Timestamp>,
    /// Auth said that it was taken back, which is for ever.
    revoked: bool,
}

/// The last time keys were asked for.
struct Fetch {
    at: Timestamp,
    failed: Option<Outage>,
}

/// The only header parameters a token of ours has; with any other it is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

impl Verifier {
    /// A verifier that asks `auth` for the keys when it meets the first token.
    pub fn new(auth: Arc<dyn Auth>, clock: Clock) -> Self {
        let cache = ShardedLruCache::builder().shards(SHARDS).per_shard_max_size(REMEMBERED_PER_SHARD).build();
        #[expect(clippy::expect_used, reason = "only sizes of zero are refused, and these are constants")]
        let remembered = cache.expect("a cache of constant size");
        Self(Arc::new(Inner {
            key_holders: KeyHolders::new(auth.clone(), clock.clone()),
            auth,
            clock,
            validation: validation(),
            keys: RwLock::default(),
            withdrawals: AtomicU64::new(0),
            last_fetch: tokio::sync::Mutex::default(),
            remembered,
            keeping: Mutex::default(),
        }))
    }
}

/// Signature, issuer and audience; times are compared with our own clock in [`Inner::valid_until`].
fn validation() -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.validate_exp = false;
    validation
}

impl Authenticator for Verifier {
    fn authenticate(&self, token: String, freshness: Freshness) -> BoxFuture<'_, Result<Arc<Caller>, Unauthenticated>> {
        if token.len() > MAX_TOKEN_BYTES {
            return Box::pin(ready(Err(Unauthenticated::Refused)));
        }
        if token.starts_with(API_KEY_PREFIX) {
            return Box::pin(async move { self.0.key_holders.caller(&token, freshness).await });
        }
        let (mark, now) = (mark(&token), self.0.clock.now());
        match self.0.remembered.get(&mark).filter(|known| known.withdrawals == self.0.withdrawals()) {
            Some(known) if known.revoked || !known.lives(now) => Box::pin(ready(Err(Unauthenticated::Refused))),
            Some(known) if freshness != Freshness::Now && known.is_recent(now) => Box::pin(ready(Ok(known.caller))),
            Some(known) => Box::pin(async move {
                self.0.renew_keys().await;
                let same = known.withdrawals == self.0.withdrawals();
                let known = if same { known } else { self.0.clone().verify(token).await? };
                self.0.confirm(known, mark, freshness).await
            }),
            None => Box::pin(async move {
                self.0.renew_keys().await;
                let known = self.0.clone().verify(token).await?;
                self.0.confirm(known, mark, freshness).await
            }),
        }
    }
}

/// What a token is remembered by: its hash, so that memory holds no token.
fn mark(token: &str) -> [u8; 32] {
    let mut mark = [0; 32];
    mark.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    mark
}

impl Inner {
    fn withdrawals(&self) -> u64 {
        self.withdrawals.load(Ordering::SeqCst)
    }

    /// Asks auth whether a token that is valid by itself was revoked. Where it need not be settled now, a token that was
    /// good a minute ago is not kept out because nobody answers.
    async fn confirm(
        &self,
        mut known: Remembered,
        mark: [u8; 32],
        freshness: Freshness,
    ) -> Result<Arc<Caller>, Unauthenticated> {
        let asked_at = self.clock.now();
        match self.ask(known.grant.clone()).await {
            Ok(revoked) => (known.revoked, known.asked_at) = (revoked, Some(asked_at)),
            Err(error) if freshness == Freshness::Recent && known.was_good(asked_at) => {
                tracing::warn!(%error, "nobody can say whether a token was revoked");
                return Ok(known.caller);
            }
            Err(error) => return Err(Unauthenticated::from_fault(&error)),
        }
        let (caller, revoked) = (known.caller.clone(), known.revoked);
        self.keep(mark, known);
        if revoked { Err(Unauthenticated::Refused) } else { Ok(caller) }
    }

    /// Remembers what auth said, unless somebody else was told meanwhile that it was taken back, or was told later.
    fn keep(&self, mark: [u8; 32], known: Remembered) {
        let _one_at_a_time = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        let better = self.remembered.get(&mark).is_some_and(|there| {
            there.withdrawals == known.withdrawals && (there.revoked || there.asked_at > known.asked_at)
        });
        if known.revoked || !better {
            self.remembered.set(mark, known);
        }
    }

    async fn ask(&self, grant: Grant) -> Result<bool, AuthError> {
        let call = Call::internal("token_grant").within(ASK_PATIENCE);
        match tokio::time::timeout(ASK_PATIENCE, self.auth.is_revoked(&call, grant)).await {
            Ok(answer) => answer,
            Err(_) => Err(Outage::Unreachable.into()),
        }
    }

    /// Checks everything that the token says itself.
    async fn verify(self: Arc<Self>, token: String) -> Result<Remembered, Unauthenticated> {
        let withdrawals = self.withdrawals();
        let header = Header::of(&token).ok_or(Unauthenticated::Refused)?;
        let key = self.clone().key(header.kid).await?;
        let read = decode::<Claims>(&token, &key, &self.validation).map_err(|_| Unauthenticated::Refused)?;
        let until_secs = self.valid_until(&read.claims).ok_or(Unauthenticated::Refused)?;
        let Claims { sub, roles, sid, ver, .. } = read.claims;
        let caller = Arc::new(Caller { id: sub.to_string(), roles, session: sid.to_string(), scopes: None });
        let grant = Grant { user: sub, session: sid, version: ver };
        Ok(Remembered { caller, until_secs, grant, withdrawals, asked_at: None, revoked: false })
    }

    /// The second from which the token is refused; `None` when it is refused already.
    fn valid_until(&self, claims: &Claims) -> Option<i64> {
        let now = self.clock.now().seconds();
        let ours = claims.iss == ISSUER && claims.aud == AUDIENCE;
        let named = !claims.jti.is_empty() && !claims.client_id.is_empty();
        let lifetime = claims.exp.checked_sub(claims.iat)?;
        let until = claims.exp.checked_add(LEEWAY_SECS)?;
        let begun = claims.iat <= now.saturating_add(LEEWAY_SECS);
        let fits = (1..=MAX_LIFETIME_SECS).contains(&lifetime);
        (ours && named && fits && begun && now < until).then_some(until)
    }

    fn known(&self, kid: &str) -> Option<DecodingKey> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).get(kid).cloned()
    }

    /// The key that `kid` names; fetches the keys when it is not among those known, but not again and again.
    async fn key(self: Arc<Self>, kid: String) -> Result<DecodingKey, Unauthenticated> {
        if let Some(key) = self.known(&kid) {
            return Ok(key);
        }
        // In a task of its own, so that a client who hangs up does not take the answer away from the others.
        let search = tokio::spawn(async move { self.search(&kid).await });
        search.await.unwrap_or(Err(Unauthenticated::Unknown(Outage::Internal)))
    }

    async fn search(&self, kid: &str) -> Result<DecodingKey, Unauthenticated> {
        let mut last = self.last_fetch.lock().await;
        if let Some(key) = self.known(kid) {
            return Ok(key);
        }
        let now = self.clock.now();
        if let Some(fetch) = last.as_ref().filter(|fetch| fetch.is_recent(now)) {
            return Err(fetch.failed.map_or(Unauthenticated::Refused, Unauthenticated::Unknown));
        }
        let failed = self.fetch().await.err();
        *last = Some(Fetch { at: self.clock.now(), failed });
        match failed {
            Some(outage) => Err(Unauthenticated::Unknown(outage)),
            None => self.known(kid).ok_or(Unauthenticated::Refused),
        }
    }

    /// Fetches keys again that are older than they may be kept: one that was withdrawn is not taken for ever where none of
    /// the new ones is met. While nobody answers, those that are known go on.
    async fn renew_keys(&self) {
        let Ok(mut last) = self.last_fetch.try_lock() else { return };
        let now = self.clock.now();
        if last.as_ref().is_some_and(|fetch| fetch.is_old(now)) {
            let failed = self.fetch().await.err();
            *last = Some(Fetch { at: now, failed });
        }
    }

    async fn fetch(&self) -> Result<(), Outage> {
        let call = Call::internal("token_keys").within(FETCH_PATIENCE);
        let set = self.auth.keys(&call, ()).await.map_err(|error| error.outage().unwrap_or(Outage::Internal))?;
        let found = usable(&set);
        if found.is_empty() {
            return Err(Outage::Unreachable);
        }
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let withdrawn = keys.keys().any(|kid| !found.contains_key(kid));
        *keys = found;
        if withdrawn {
            // What it signed is not to be trusted any longer, also where it is being verified just now.
            self.withdrawals.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }
}

impl Remembered {
    fn lives(&self, now: Timestamp) -> bool {
        now.seconds() < self.until_secs
    }

    fn is_recent(&self, now: Timestamp) -> bool {
        self.was_good_within(RECENT, now)
    }

    fn was_good(&self, now: Timestamp) -> bool {
        self.was_good_within(UNANSWERED, now)
    }

    fn was_good_within(&self, time: Duration, now: Timestamp) -> bool {
        // A clock that was set back must not stop asking.
        !self.revoked && self.asked_at.is_some_and(|asked| now >= asked && now.since(asked) < time)
    }
}

impl Fetch {
    fn is_recent(&self, now: Timestamp) -> bool {
        let pause = if self.failed.is_some() { RETRY_PAUSE } else { REFETCH_PAUSE };
        // A clock that was set back must not stop fetching.
        now >= self.at && now.since(self.at) < pause
    }

    fn is_old(&self, now: Timestamp) -> bool {
        let kept = if self.failed.is_some() { REFETCH_PAUSE } else { KEPT };
        now < self.at || now.since(self.at) >= kept
    }
}

impl Header {
    /// The header of a token that names our algorithm, our kind of token and a key that can exist.
    fn of(token: &str) -> Option<Self> {
        let (encoded, _) = token.split_once('.')?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let header: Self = serde_json::from_slice(&bytes).ok()?;
        (header.alg == "EdDSA" && header.typ == TOKEN_TYPE && is_kid(&header.kid)).then_some(header)
    }
}

fn is_kid(kid: &str) -> bool {
    let plain = kid.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    plain && (1..=MAX_KID_BYTES).contains(&kid.len())
}

/// The keys of the set that are what they must be; the key's kind is fixed by us, never by a token.
fn usable(set: &KeySet) -> HashMap<String, DecodingKey> {
    let fits = |key: &&PublicKey| {
        let ed25519 = key.kty == "OKP" && key.crv == "Ed25519" && key.alg == "EdDSA" && key.r#use == "sig";
        ed25519 && is_kid(&key.kid)
    };
    let read = |key: &PublicKey| {
        let bytes = URL_SAFE_NO_PAD.decode(&key.x).ok().filter(|bytes| bytes.len() == 32)?;
        Some((key.kid.clone(), DecodingKey::from_ed_der(&bytes)))
    };
    set.keys.iter().filter(fits).filter_map(read).collect()
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Verifier({} remembered)", self.0.remembered.len())
    }
}
