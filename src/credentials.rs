//! Service credentials: how a module of one process proves itself to a module of another.
//!
//! A credential is a JWT that the calling process signs with a key of its own (RFC 7523, RFC 8725): `sub` is the module
//! that calls, `aud` the one that is called, and it is good for a minute. No secret is shared: whoever is called knows
//! public keys only.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow};
use aws_lc_rs::pkcs8::Document;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use emporium_kernel::{Admission, Clock, Credential, Inadmissible, Random, secret_file};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};

/// The kind of token: the header `typ`.
const TOKEN_TYPE: &str = "service+jwt";
/// How long a credential is good.
const LIFE_SECS: i64 = 60;
/// How long before its end a new one is made.
const SPARE_SECS: i64 = 30;
/// How far the clocks of two machines may differ.
const LEEWAY_SECS: i64 = 30;
const MAX_TOKEN_BYTES: usize = 1_024;
/// Credentials that are known to be good, at most.
const REMEMBERED: usize = 1_024;

/// What a credential says. Every claim is required.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    /// The module that calls; it issues its credentials itself.
    iss: String,
    /// The same.
    sub: String,
    /// The module that is called.
    aud: String,
    iat: i64,
    exp: i64,
    jti: String,
}

/// The key of a process (Ed25519, PKCS#8).
pub struct ServiceKey {
    private: EncodingKey,
    public: String,
}

impl ServiceKey {
    /// Reads the key; an error when there is no file.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let stored = secret_file::read(path).and_then(|stored| stored.ok_or(ErrorKind::NotFound.into()));
        stored.map_err(anyhow::Error::from).and_then(|stored| Self::of(&stored)).with_context(|| naming(path))
    }

    /// Reads the key; makes and stores one when there is no file.
    pub fn open_or_make(path: &Path, random: &Random) -> anyhow::Result<Self> {
        if !path.exists() {
            secret_file::make(path, new_key(random)?.as_ref()).with_context(|| naming(path))?;
        }
        Self::open(path)
    }

    /// A key that is kept nowhere, and so trusted by nobody.
    pub fn passing(random: &Random) -> anyhow::Result<Self> {
        Self::of(new_key(random)?.as_ref())
    }

    fn of(pkcs8: &[u8]) -> anyhow::Result<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| anyhow!("this is no Ed25519 key in PKCS#8"))?;
        let public = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        Ok(Self { private: EncodingKey::from_ed_der(pkcs8), public })
    }

    /// The public half, as `services.trusted` takes it: 32 bytes as base64url.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// Signs as `module`.
    pub fn signer(self: &Arc<Self>, module: &'static str, clock: Clock, random: Random) -> Signer {
        Signer { key: self.clone(), module, clock, random, last: Mutex::default() }
    }
}

fn naming(path: &Path) -> String {
    format!("the service key {}", path.display())
}

fn new_key(random: &Random) -> anyhow::Result<Document> {
    Ok(Ed25519KeyPair::from_seed_unchecked(&random.bytes::<32>())?.to_pkcs8()?)
}

/// Makes the credentials of one module.
pub struct Signer {
    key: Arc<ServiceKey>,
    module: &'static str,
    clock: Clock,
    random: Random,
    last: Mutex<Option<Made>>,
}

/// A credential that may be sent again.
struct Made {
    audience: String,
    exp: i64,
    token: String,
}

impl Credential for Signer {
    fn token(&self, audience: &str) -> String {
        let now = self.clock.now().seconds();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |made: &&Made| (SPARE_SECS..=LIFE_SECS).contains(&(made.exp - now));
        if let Some(made) = last.as_ref().filter(|made| made.audience == audience).filter(fresh) {
            return made.token.clone();
        }
        let made = self.make(audience, now);
        last.insert(made).token.clone()
    }
}

impl Signer {
    fn make(&self, audience: &str, now: i64) -> Made {
        let exp = now + LIFE_SECS;
        let module = self.module.to_owned();
        let claims = Claims {
            iss: module.clone(),
            sub: module,
            aud: audience.to_owned(),
            iat: now,
            exp,
            jti: self.random.token::<16>(),
        };
        let header = Header { typ: Some(TOKEN_TYPE.to_owned()), ..Header::new(Algorithm::EdDSA) };
        let token = encode(&header, &claims, &self.key.private).unwrap_or_else(|error| {
            tracing::error!(%error, "a service credential could not be signed");
            String::new()
        });
        Made { audience: audience.to_owned(), exp, token }
    }
}

/// Lets the services in that may call one module.
pub struct Gate {
    services: Vec<Service>,
    validation: Validation,
    clock: Clock,
    /// Credentials that were checked, until when they are good.
    known: Mutex<HashMap<String, (String, i64)>>,
}

/// A service whose key is known.
struct Service {
    name: String,
    key: DecodingKey,
    may: bool,
}

impl Gate {
    /// The gate of `module`, which knows these services: whether it may call, its name, its public key.
    pub fn new(module: &str, services: impl Iterator<Item = (bool, String, [u8; 32])>, clock: &Clock) -> Self {
        let service = |(may, name, key): (bool, String, [u8; 32])| {
            let key = DecodingKey::from_ed_der(&key);
            Service { name, key, may }
        };
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
        validation.set_audience(&[module]);
        // Times are compared with our own clock.
        validation.validate_exp = false;
        let (services, known) = (services.map(service).collect(), Mutex::default());
        Self { services, validation, clock: clock.clone(), known }
    }

    fn check(&self, token: &str, now: i64) -> Result<(String, i64), Inadmissible> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Inadmissible::Unproven);
        }
        let header = decode_header(token).map_err(|_| Inadmissible::Unproven)?;
        if header.typ.as_deref() != Some(TOKEN_TYPE) {
            // A token of a user, say.
            return Err(Inadmissible::Forbidden);
        }
        let claimed = claimed_name(token).ok_or(Inadmissible::Unproven)?;
        let named = self.services.iter().filter(|service| service.name == claimed);
        let (read, service) = named
            .filter_map(|service| Some((decode::<Claims>(token, &service.key, &self.validation).ok()?, service)))
            .next()
            .ok_or(Inadmissible::Unproven)?;
        let Claims { iss, sub, iat, exp, .. } = read.claims;
        let life = exp.checked_sub(iat).filter(|life| (1..=LIFE_SECS).contains(life));
        if iss != service.name || sub != iss || life.is_none() || !is_near(iat, exp, now) {
            return Err(Inadmissible::Unproven);
        }
        if service.may { Ok((sub, exp)) } else { Err(Inadmissible::Forbidden) }
    }
}

/// Whether a credential of that time is good now, as far as two clocks may differ.
fn is_near(iat: i64, exp: i64, now: i64) -> bool {
    iat <= now.saturating_add(LEEWAY_SECS) && exp > now.saturating_sub(LEEWAY_SECS)
}

/// Who the credential says made it: which keys are worth a try.
fn claimed_name(token: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Claims>(&payload).ok().map(|claims| claims.iss)
}

impl Admission for Gate {
    fn admit(&self, token: &str) -> Result<String, Inadmissible> {
        let now = self.clock.now().seconds();
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let good = |exp: i64| (now + 1..=now + LIFE_SECS + LEEWAY_SECS).contains(&exp);
        if let Some((service, _)) = known().get(token).filter(|(_, exp)| good(*exp)) {
            return Ok(service.clone());
        }
        let (service, exp) = self.check(token, now)?;
        let mut known = known();
        if known.len() >= REMEMBERED {
            known.retain(|_, (_, exp)| good(*exp));
        }
        if known.len() < REMEMBERED {
            known.insert(token.to_owned(), (service.clone(), exp));
        }
        Ok(service)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use emporium_kernel::Timestamp;

    use super::*;

    /// The key of a process that holds shop and wallet, and the gate of inventory, which shop alone may call.
    fn setting(clock: &Clock) -> (Arc<ServiceKey>, Gate) {
        let key = Arc::new(ServiceKey::passing(&Random::system()).expect("a key"));
        let public = URL_SAFE_NO_PAD.decode(key.public()).expect("base64url").try_into().expect("32 bytes");
        let services = [(true, "shop".to_owned(), public), (false, "wallet".to_owned(), public)];
        (key, Gate::new("inventory", services.into_iter(), clock))
    }

    #[test]
    fn a_credential_is_used_for_half_a_minute_and_good_for_a_minute() {
        let (clock, time) = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
        let (key, gate) = setting(&clock);
        let shop = key.signer("shop", clock.clone(), Random::system());
        let first = shop.token("inventory");
        assert_eq!(gate.admit(&first).as_deref(), Ok("shop"));
        time.advance(Duration::from_secs(30));
        assert_eq!(shop.token("inventory"), first);
        time.advance(Duration::from_secs(1));
        assert_ne!(shop.token("inventory"), first);
        assert_eq!(gate.admit(&first).as_deref(), Ok("shop"));
        // A minute, and as much as two clocks may differ.
        time.advance(Duration::from_secs(58));
        assert_eq!(gate.admit(&first).as_deref(), Ok("shop"));
        time.advance(Duration::from_secs(1));
        assert_eq!(gate.admit(&first), Err(Inadmissible::Unproven));
    }

    #[test]
    fn one_key_is_trusted_as_what_it_was_named_for() {
        let (clock, _) = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
        let (key, gate) = setting(&clock);
        let token = |key: &Arc<ServiceKey>, module, audience: &str| {
            key.signer(module, clock.clone(), Random::system()).token(audience)
        };
        assert_eq!(gate.admit(&token(&key, "wallet", "inventory")), Err(Inadmissible::Forbidden));
        assert_eq!(gate.admit(&token(&key, "auth", "inventory")), Err(Inadmissible::Unproven));
        assert_eq!(gate.admit(&token(&key, "shop", "wallet")), Err(Inadmissible::Unproven));
        let (stranger, _) = setting(&clock);
        assert_eq!(gate.admit(&token(&stranger, "shop", "inventory")), Err(Inadmissible::Unproven));
        for nothing in ["", "a.b.c", "e30.e30.e30"] {
            assert_eq!(gate.admit(nothing), Err(Inadmissible::Unproven), "{nothing}");
        }
    }

    #[test]
    fn nobody_can_make_a_credential_that_lasts() {
        let (clock, _) = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
        let (key, gate) = setting(&clock);
        let signed = |iat: i64, exp: i64| {
            let name = "shop".to_owned();
            let jti = "j".repeat(22);
            let claims = Claims { iss: name.clone(), sub: name, aud: "inventory".to_owned(), iat, exp, jti };
            let header = Header { typ: Some(TOKEN_TYPE.to_owned()), ..Header::new(Algorithm::EdDSA) };
            encode(&header, &claims, &key.private).expect("signs")
        };
        let now = clock.now().seconds();
        assert_eq!(gate.admit(&signed(now, now + 60)).as_deref(), Ok("shop"));
        for (iat, exp) in [(now, now + 61), (now + 31, now + 60), (-10, i64::MAX), (now, now), (i64::MIN, i64::MAX)] {
            assert_eq!(gate.admit(&signed(iat, exp)), Err(Inadmissible::Unproven), "{iat} {exp}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_neither_keeps_a_credential_in_use_nor_good() {
        let (ahead, _) = Clock::manual(Timestamp::from_micros(1_800_003_600_000_000));
        let (behind, _) = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
        let (key, mut gate) = setting(&ahead);
        let mut shop = key.signer("shop", ahead, Random::system());
        let early = shop.token("inventory");
        assert_eq!(gate.admit(&early).as_deref(), Ok("shop"));
        (shop.clock, gate.clock) = (behind.clone(), behind);
        assert_ne!(shop.token("inventory"), early);
        assert_eq!(gate.admit(&early), Err(Inadmissible::Unproven));
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/service.key");
        assert!(ServiceKey::open(&path).is_err(), "there is none");
        let made = ServiceKey::open_or_make(&path, &Random::system()).expect("a key");
        assert_eq!(ServiceKey::open_or_make(&path, &Random::system()).expect("a key").public(), made.public());
        assert_eq!(ServiceKey::open(&path).expect("a key").public(), made.public());
        assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "no key").expect("writes");
        assert!(ServiceKey::open(&path).is_err());
    }

    #[test]
    fn of_keys_that_are_made_at_once_all_get_the_one_that_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("service.key");
        let open = || ServiceKey::open_or_make(&path, &Random::system()).expect("a key").public().to_owned();
        let keys: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().expect("a key")).collect()
        });
        assert!(keys.iter().all(|key| *key == open()), "{keys:?}");
    }
}
