//! People with tokens that are signed with the shop's own key, which spares thousands of logins.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::anyhow;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use emporium_auth_api::{AUDIENCE, CLIENT_ID, Claims, ISSUER, MAX_LIFETIME_SECS, SessionId, TOKEN_TYPE, UserId};
use emporium_kernel::{Clock, Random, Role, secret_file};
use jsonwebtoken::{Algorithm, EncodingKey, Header};

/// Characters of the hash of the public key that name the key.
const KID_CHARACTERS: usize = 16;

/// Somebody with a token, which is good for a quarter of an hour.
#[derive(Clone, Debug)]
pub struct Person {
    /// The user's id.
    pub id: UserId,
    /// Goes after `Authorization: Bearer`.
    pub token: String,
}

/// The seed of the key of shops that are thrown away.
const SEED: [u8; 32] = *b"shops that are measured sign so.";

fn pair() -> anyhow::Result<Ed25519KeyPair> {
    Ed25519KeyPair::from_seed_unchecked(&SEED).map_err(|error| anyhow!("the signing key: {error}"))
}

fn pkcs8() -> anyhow::Result<Vec<u8>> {
    Ok(pair()?.to_pkcs8().map_err(|error| anyhow!("the signing key: {error}"))?.as_ref().to_vec())
}

/// Signs tokens as the shop does.
pub struct Mint {
    key: EncodingKey,
    header: Header,
    clock: Clock,
    random: Random,
}

impl Mint {
    /// The mint of all shops that are measured.
    pub fn new() -> anyhow::Result<Self> {
        let (pair, key) = (pair()?, pkcs8()?);
        let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, pair.public_key().as_ref()));
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(hash.chars().take(KID_CHARACTERS).collect());
        Ok(Self { key: EncodingKey::from_ed_der(&key), header, clock: Clock::system(), random: Random::system() })
    }

    /// Lets the shop that is to be in this folder sign with our key: auth encrypts what it finds there.
    pub fn lend(data: &Path) -> anyhow::Result<()> {
        Ok(secret_file::make(&data.join("auth-signing.key"), &pkcs8()?)?)
    }

    /// An id of somebody who never registered.
    pub fn stranger(&self) -> UserId {
        UserId::new(self.clock.now(), &self.random)
    }

    /// A customer with this id.
    pub fn customer(&self, id: UserId) -> anyhow::Result<Person> {
        self.person(id, Role::Customer)
    }

    /// Somebody of the staff.
    pub fn staff(&self) -> anyhow::Result<Person> {
        self.person(self.stranger(), Role::Staff)
    }

    fn person(&self, id: UserId, role: Role) -> anyhow::Result<Person> {
        let now = self.clock.now();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: id.clone(),
            aud: AUDIENCE.to_owned(),
            exp: now.seconds() + MAX_LIFETIME_SECS,
            iat: now.seconds(),
            jti: self.random.token::<16>(),
            client_id: CLIENT_ID.to_owned(),
            roles: BTreeSet::from([role]),
            sid: SessionId::new(now, &self.random),
            ver: 1,
        };
        Ok(Person { id, token: jsonwebtoken::encode(&self.header, &claims, &self.key)? })
    }
}
