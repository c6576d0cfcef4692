//! The secret of this shop that all others are derived from, or encrypted with.

use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use emporium_kernel::{Random, secret_file};

use crate::AuthOpenError;

const BYTES: usize = 32;

/// The secret.
pub(crate) struct Root(hmac::Key);

impl Root {
    /// Reads it: 32 random bytes; makes and stores them at the first start.
    pub(crate) fn open(path: &Path, random: &Random) -> Result<Self, AuthOpenError> {
        if secret_file::read(path).map_err(AuthOpenError::at(path))?.is_none() {
            secret_file::make(path, &random.bytes::<BYTES>()).map_err(AuthOpenError::at(path))?;
        }
        Self::existing(path)
    }

    /// Reads it.
    pub(crate) fn existing(path: &Path) -> Result<Self, AuthOpenError> {
        let stored = secret_file::read(path).map_err(AuthOpenError::at(path))?.unwrap_or_default();
        if stored.len() != BYTES {
            return Err(AuthOpenError::Root(path.to_owned()));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &stored)))
    }

    /// One that is stored nowhere, for whoever only reads what is not secret, as in a copy of the databases alone.
    pub(crate) fn unsaved(random: &Random) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &random.bytes::<BYTES>()))
    }

    /// What a database remembers of the secret that it was written with.
    pub(crate) fn check(&self) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, b"auth/check/1"))
    }

    /// A key of its own for each purpose; the same as long as the file is the same.
    pub(crate) fn derive(&self, purpose: &str) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&self.0, purpose.as_bytes()).as_ref())
    }

    /// A key that encrypts texts.
    pub(crate) fn seal(&self, purpose: &'static str) -> Result<Seal, AuthOpenError> {
        let bytes = hmac::sign(&self.0, purpose.as_bytes());
        let no_key = |_| AuthOpenError::Settings("no key to encrypt with".to_owned());
        let key = UnboundKey::new(&AES_256_GCM, bytes.as_ref()).map_err(no_key)?;
        Ok(Seal { key: LessSafeKey::new(key), purpose })
    }
}

/// Encrypts texts: AES-256-GCM with a random nonce, bound to what they are for and to their row or file.
pub(crate) struct Seal {
    key: LessSafeKey,
    purpose: &'static str,
}

impl Seal {
    fn bound_to(&self, row: &str) -> Aad<String> {
        Aad::from(format!("{}\n{row}", self.purpose))
    }

    /// The text of `row`, encrypted; base64url.
    pub(crate) fn close(&self, row: &str, text: &str, random: &Random) -> Option<String> {
        let nonce = random.bytes::<NONCE_LEN>();
        let mut bytes = text.as_bytes().to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(unique, self.bound_to(row), &mut bytes).ok()?;
        Some(URL_SAFE_NO_PAD.encode([&nonce[..], &bytes[..]].concat()))
    }

    /// The text of `row` again; `None` when it was not closed with this key for this row.
    pub(crate) fn open(&self, row: &str, sealed: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, hidden) = bytes.split_at_checked(NONCE_LEN)?;
        let (nonce, mut hidden) = (Nonce::try_assume_unique_for_key(nonce).ok()?, hidden.to_vec());
        let text = self.key.open_in_place(nonce, self.bound_to(row), &mut hidden).ok()?;
        String::from_utf8(text.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_read_again_for_its_own_row_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("root");
        let root = Root::open(&path, &Random::seeded(1)).expect("makes one");
        let again = Root::open(&path, &Random::seeded(2)).expect("the same");
        let (seal, same) = (root.seal("mail").expect("a key"), again.seal("mail").expect("a key"));
        let sealed = seal.close("a", "123456", &Random::seeded(3)).expect("closes");
        assert!(!sealed.contains("123456"));
        assert_eq!(same.open("a", &sealed).as_deref(), Some("123456"));
        assert_eq!(same.open("b", &sealed), None);
        assert_eq!(again.seal("totp").expect("a key").open("a", &sealed), None);
        for bad in ["", "AA", &sealed[1..]] {
            assert_eq!(same.open("a", bad), None, "{bad}");
        }
    }
}
