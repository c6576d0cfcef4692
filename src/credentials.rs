//! Service credentials: how a module of one process proves itself to a module of another.
//!
//! A credential is a JWT that the calling process signs with a key of its own (RFC 7523, RFC 8725): `sub` is the module
//! that calls, `aud` the one that is called, and it is good for a minute. No secret is shared: whoever is called knows
//! public keys only.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow};
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
    /// Reads the key; makes and stores one when there is no file.
    pub fn open(path: &Path, random: &Random) -> anyhow::Result<Self> {
        let key = || -> anyhow::Result<Self> {
            if let Some(stored) = secret_file::read(path)? {
                return Self::of(&stored);
            }
            let made = Ed25519KeyPair::from_seed_unchecked(&random.bytes::<32>())?.to_pkcs8()?;
            secret_file::write(path, made.as_ref())?;
            Self::of(made.as_ref())
        };
        key().with_context(|| format!("the service key {}", path.display()))
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
        if let Some(made) = last.as_ref().filter(|made| made.audience == audience && made.exp - now >= SPARE_SECS) {
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
        let header = decode_header(token).map_err(|_| Inadmissible::Unproven)?;
        if header.typ.as_deref() != Some(TOKEN_TYPE) {
            // A token of a user, say.
            return Err(Inadmissible::Forbidden);
        }
        let mut refusal = Inadmissible::Unproven;
        for service in &self.services {
            let Ok(read) = decode::<Claims>(token, &service.key, &self.validation) else { continue };
            let Claims { iss, sub, iat, exp, .. } = read.claims;
            let timely = iat <= now + LEEWAY_SECS && exp > now - LEEWAY_SECS && exp - iat <= LIFE_SECS;
            if timely && iss == sub && sub == service.name && service.may {
                return Ok((sub, exp));
            }
            if timely {
                refusal = Inadmissible::Forbidden;
            }
        }
        Err(refusal)
    }
}

impl Admission for Gate {
    fn admit(&self, token: &str) -> Result<String, Inadmissible> {
        let now = self.clock.now().seconds();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((service, _)) = known.get(token).filter(|(_, exp)| *exp > now) {
            return Ok(service.clone());
        }
        let (service, exp) = self.check(token, now)?;
        if known.len() >= REMEMBERED {
            known.retain(|_, (_, exp)| *exp > now);
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
        let folder = tempfile::tempdir().expect("a folder");
        let key = Arc::new(ServiceKey::open(&folder.path().join("key"), &Random::system()).expect("a key"));
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
        assert_eq!(gate.admit(&token(&key, "auth", "inventory")), Err(Inadmissible::Forbidden));
        assert_eq!(gate.admit(&token(&key, "shop", "wallet")), Err(Inadmissible::Unproven));
        let (stranger, _) = setting(&clock);
        assert_eq!(gate.admit(&token(&stranger, "shop", "inventory")), Err(Inadmissible::Unproven));
        for nothing in ["", "a.b.c", "e30.e30.e30"] {
            assert_eq!(gate.admit(nothing), Err(Inadmissible::Unproven), "{nothing}");
        }
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/service.key");
        let made = ServiceKey::open(&path, &Random::system()).expect("a key");
        assert_eq!(ServiceKey::open(&path, &Random::system()).expect("a key").public(), made.public());
        assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "no key").expect("writes");
        assert!(ServiceKey::open(&path, &Random::system()).is_err());
    }
}
