//! The key that signs access tokens.

use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use emporium_auth_api::{AuthError, Claims, KeySet, PublicKey, TOKEN_TYPE};
use emporium_kernel::{Outage, Random, secret_file};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};

use crate::AuthOpenError;

/// The file in the data folder: Ed25519 in PKCS#8, DER.
const FILE: &str = "auth-signing.key";
const KID_CHARACTERS: usize = 16;

/// An Ed25519 key.
pub(crate) struct SigningKey {
    private: EncodingKey,
    public: PublicKey,
    header: Header,
}

impl SigningKey {
    /// Reads the key; makes and stores one at the first start.
    pub(crate) fn open(data_dir: &Path, random: &Random) -> Result<Self, AuthOpenError> {
        let path = data_dir.join(FILE);
        let at = |source| AuthOpenError::File { path: path.clone(), source };
        if let Some(stored) = secret_file::read(&path).map_err(at)? {
            return Self::of(&stored).ok_or_else(|| AuthOpenError::Key(path.clone()));
        }
        let made = Ed25519KeyPair::from_seed_unchecked(&random.bytes::<32>()).ok();
        let stored = made.and_then(|pair| pair.to_pkcs8().ok()).ok_or_else(|| AuthOpenError::Key(path.clone()))?;
        secret_file::make(&path, stored.as_ref()).map_err(at)?;
        // Of several processes that start at once, one has made it.
        let kept = secret_file::read(&path).map_err(at)?.unwrap_or_default();
        Self::of(&kept).ok_or_else(|| AuthOpenError::Key(path.clone()))
    }

    fn of(pkcs8: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).ok()?;
        let public = pair.public_key().as_ref();
        let kid: String = URL_SAFE_NO_PAD.encode(digest(&SHA256, public)).chars().take(KID_CHARACTERS).collect();
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(kid.clone());
        let public = PublicKey {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            alg: "EdDSA".to_owned(),
            r#use: "sig".to_owned(),
            kid,
            x: URL_SAFE_NO_PAD.encode(public),
        };
        Some(Self { private: EncodingKey::from_ed_der(pkcs8), public, header })
    }

    /// The public part.
    pub(crate) fn key_set(&self) -> KeySet {
        KeySet { keys: vec![self.public.clone()] }
    }

    /// An access token.
    pub(crate) fn sign(&self, claims: &Claims) -> Result<String, AuthError> {
        encode(&self.header, claims, &self.private).map_err(|error| {
            tracing::error!(%error, "an access token could not be signed");
            Outage::Internal.into()
        })
    }
}
