//! The keys that sign access tokens: one signs now; the one before it and the one after it verify as well.
//!
//! Each is a file of its own in the data folder, whose name says from when on it signs: `auth-signing.key` from the
//! beginning, `auth-signing-1800000000.key` from that second since the epoch. A new key is published for as long as
//! anybody may keep the published ones before it signs, and an old one as long as anything that it signed is good. So
//! nothing but the clock decides, and processes that share the folder decide alike. The files are encrypted with a key that comes
//! from the root secret, each for its own name; one that is put there in PKCS#8 is at the next start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use emporium_auth_api::{AuthError, Claims, KeySet, MAX_LIFETIME_SECS, PublicKey, TOKEN_TYPE};
use emporium_kernel::{Outage, Random, Timestamp, secret_file};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;

use crate::AuthOpenError;
use crate::root::{Root, Seal};
use crate::settings::Settings;

const FIRST_FILE: &str = "auth-signing.key";
const PREFIX: &str = "auth-signing-";
const SUFFIX: &str = ".key";
const KID_CHARACTERS: usize = 16;

/// How long the published keys may be kept by whoever read them: `max-age` of the key set.
pub(crate) const PUBLISHED: Duration = Duration::from_secs(5 * 60);
/// How long a new key is published before it signs.
const LEAD: Duration = Duration::from_secs(6 * 60);
/// How long the key before it is published afterwards: as long as its last token is good, and a little.
const LAG: Duration = Duration::from_secs(MAX_LIFETIME_SECS as u64 + 5 * 60);

/// All keys there are.
pub(crate) struct SigningKeys {
    files: Files,
    ring: RwLock<Arc<Ring>>,
}

/// Where the keys are.
struct Files {
    folder: PathBuf,
    seal: Seal,
    random: Random,
}

/// Keys by the second from which they sign. There is always one.
struct Ring(BTreeMap<i64, SigningKey>);

/// An Ed25519 key.
struct SigningKey {
    private: EncodingKey,
    public: PublicKey,
    header: Header,
}

/// A key that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewKey {
    /// Its name.
    pub kid: String,
    /// From when on it signs.
    pub signs_from: Timestamp,
}

impl SigningKeys {
    /// Reads the keys; makes and stores one at the first start.
    /// Whoever only reads the rest has one that is stored nowhere.
    pub(crate) fn open(data_dir: &Path, root: &Root, random: &Random, read_only: bool) -> Result<Self, AuthOpenError> {
        let files = Files::of(data_dir, root, random)?;
        let ring = match files.list()?.is_empty() {
            false => Ring::read(&files)?,
            true if read_only => Ring([(0, files.unsaved()?)].into()),
            true => Ring([(0, files.make(&data_dir.join(FIRST_FILE))?)].into()),
        };
        Ok(Self { files, ring: RwLock::new(Arc::new(ring)) })
    }

    /// Encrypts keys that somebody put there as they are, in PKCS#8, or that an earlier version stored so. One that cannot be
    /// written is used as it is.
    pub(crate) fn encrypt(&self) {
        let encrypted = self.files.list().and_then(|list| list.values().try_for_each(|path| self.files.encrypt(path)));
        if let Err(error) = encrypted {
            tracing::warn!(%error, "a key that signs tokens stays unencrypted");
        }
    }

    fn ring(&self) -> Arc<Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the keys again, which others may have made or removed. Where that fails, those that are known go on.
    pub(crate) fn refresh(&self) {
        match Ring::read(&self.files) {
            Ok(ring) => *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring),
            Err(error) => tracing::error!(%error, "the keys that sign tokens cannot be read again"),
        }
    }

    /// Removes the keys whose last tokens have ended.
    pub(crate) fn prune(&self, now: Timestamp) {
        for from in self.ring().retired(now) {
            let path = self.files.folder.join(name(from));
            match secret_file::remove(&path) {
                Ok(()) => tracing::info!(file = %path.display(), "a key that signed tokens was removed"),
                Err(error) => tracing::warn!(file = %path.display(), %error, "an old key cannot be removed"),
            }
        }
    }

    /// The public parts of the keys that verify now.
    pub(crate) fn key_set(&self, now: Timestamp) -> KeySet {
        let ring = self.ring();
        let retired = ring.retired(now);
        let published = ring.0.iter().filter(|(from, _)| !retired.contains(from));
        KeySet { keys: published.map(|(_, key)| key.public.clone()).collect() }
    }

    /// An access token.
    pub(crate) fn sign(&self, claims: &Claims, now: Timestamp) -> Result<String, AuthError> {
        let ring = self.ring();
        let key = ring.signing(now).ok_or(Outage::Internal)?;
        encode(&key.header, claims, &key.private).map_err(|error| {
            tracing::error!(%error, "an access token could not be signed");
            Outage::Internal.into()
        })
    }
}

impl Ring {
    fn read(files: &Files) -> Result<Self, AuthOpenError> {
        let mut keys = BTreeMap::new();
        for (from, path) in files.list()? {
            // One that is gone since its name was read was old.
            keys.extend(files.read(&path)?.map(|key| (from, key)));
        }
        match keys.is_empty() {
            false => Ok(Self(keys)),
            true => Err(AuthOpenError::Key(files.folder.join(FIRST_FILE))),
        }
    }

    /// The newest key whose time has come; before that of all of them, the oldest.
    fn signing(&self, now: Timestamp) -> Option<&SigningKey> {
        let begun = self.0.range(..=now.seconds()).next_back();
        begun.or_else(|| self.0.first_key_value()).map(|(_, key)| key)
    }

    /// Keys that were followed so long ago that nothing they signed is good any more.
    fn retired(&self, now: Timestamp) -> Vec<i64> {
        let oldest = now.minus(LAG).seconds();
        let followed = self.0.keys().zip(self.0.keys().skip(1));
        followed.filter(|(_, next)| **next <= oldest).map(|(from, _)| *from).collect()
    }
}

impl SigningKey {
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
}

fn name(from: i64) -> String {
    if from == 0 { FIRST_FILE.to_owned() } else { format!("{PREFIX}{from}{SUFFIX}") }
}

/// The second from which a key signs, by the name of its file; `None` for other files.
fn begin(name: &str) -> Option<i64> {
    if name == FIRST_FILE {
        return Some(0);
    }
    name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok().filter(|from| *from > 0)
}

impl Files {
    fn of(folder: &Path, root: &Root, random: &Random) -> Result<Self, AuthOpenError> {
        Ok(Self { folder: folder.to_owned(), seal: root.seal("auth/signing/1")?, random: random.clone() })
    }

    /// By the second from which they sign, the oldest first.
    fn list(&self) -> Result<BTreeMap<i64, PathBuf>, AuthOpenError> {
        let at = AuthOpenError::at(&self.folder);
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(at(error)),
        };
        let mut found = BTreeMap::new();
        for entry in entries {
            let path = entry.map_err(&at)?.path();
            found.extend(begin(file_name(&path)).map(|from| (from, path)));
        }
        Ok(found)
    }

    /// The key in a file; `None` when there is no such file.
    fn read(&self, path: &Path) -> Result<Option<SigningKey>, AuthOpenError> {
        let Some(stored) = secret_file::read(path).map_err(AuthOpenError::at(path))? else { return Ok(None) };
        let opened = || {
            let text = self.seal.open(file_name(path), std::str::from_utf8(&stored).ok()?.trim())?;
            SigningKey::of(&URL_SAFE_NO_PAD.decode(text).ok()?)
        };
        let key = SigningKey::of(&stored).or_else(opened).ok_or_else(|| AuthOpenError::Key(path.to_owned()))?;
        Ok(Some(key))
    }

    /// Makes a key, unless another process has just made one of that name.
    fn make(&self, path: &Path) -> Result<SigningKey, AuthOpenError> {
        let broken = || AuthOpenError::Key(path.to_owned());
        let sealed = self.pkcs8().and_then(|pkcs8| self.sealed(path, &pkcs8)).ok_or_else(broken)?;
        secret_file::make(path, sealed.as_bytes()).map_err(AuthOpenError::at(path))?;
        self.read(path)?.ok_or_else(broken)
    }

    fn unsaved(&self) -> Result<SigningKey, AuthOpenError> {
        let made = self.pkcs8().and_then(|pkcs8| SigningKey::of(&pkcs8));
        made.ok_or_else(|| AuthOpenError::Key(self.folder.join(FIRST_FILE)))
    }

    /// A new key.
    fn pkcs8(&self) -> Option<Vec<u8>> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&self.random.bytes::<32>()).ok()?;
        Some(pair.to_pkcs8().ok()?.as_ref().to_vec())
    }

    fn encrypt(&self, path: &Path) -> Result<(), AuthOpenError> {
        let Some(stored) = secret_file::read(path).map_err(AuthOpenError::at(path))? else { return Ok(()) };
        match SigningKey::of(&stored).and_then(|_| self.sealed(path, &stored)) {
            Some(sealed) => secret_file::write(path, sealed.as_bytes()).map_err(AuthOpenError::at(path)),
            None => Ok(()),
        }
    }

    fn sealed(&self, path: &Path, pkcs8: &[u8]) -> Option<String> {
        self.seal.close(file_name(path), &URL_SAFE_NO_PAD.encode(pkcs8), &self.random)
    }
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// Makes a key that follows those in `data_dir`. Running processes see it within seconds, publish it at once, and sign with
/// it six minutes later. With `at_once` it signs as soon as they see it, and the others are removed: every token that was given
/// is refused, and clients have to refresh theirs.
pub fn rotate_keys(
    settings: &Settings,
    data_dir: &Path,
    now: Timestamp,
    random: &Random,
    at_once: bool,
) -> Result<NewKey, AuthOpenError> {
    let root = settings.root_path(data_dir);
    let files = Files::of(data_dir, &Root::existing(&root)?, random)?;
    let before = files.list()?;
    // Nobody could open a key that follows those that are there if this is not their root secret.
    drop(Ring::read(&files)?);
    // Two in one second would be one, and a clock that was set back makes none that is older than the newest.
    let newest = before.keys().next_back().copied().unwrap_or(0);
    let wanted = if at_once { now } else { now.plus(LEAD) };
    let from = wanted.seconds().max(newest.saturating_add(1)).max(1);
    let made = files.make(&data_dir.join(name(from)))?;
    for path in before.values().filter(|_| at_once) {
        secret_file::remove(path).map_err(AuthOpenError::at(path))?;
    }
    Ok(NewKey { kid: made.public.kid, signs_from: Timestamp::from_micros(from.saturating_mul(1_000_000)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_micros(secs * 1_000_000)
    }

    fn open(folder: &Path) -> Result<SigningKeys, AuthOpenError> {
        let random = Random::seeded(1);
        let root = Root::open(&Settings::for_tests().root_path(folder), &random)?;
        SigningKeys::open(folder, &root, &random, false)
    }

    fn rotate(folder: &Path, now: Timestamp, at_once: bool) -> NewKey {
        rotate_keys(&Settings::for_tests(), folder, now, &Random::seeded(2), at_once).expect("makes another")
    }

    #[test]
    fn a_key_is_published_before_it_signs_and_as_long_as_its_tokens_are_good() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = open(folder.path()).expect("makes one");
        let kids = |now| keys.key_set(at(now)).keys.into_iter().map(|key| key.kid).collect::<Vec<_>>();
        let signing = |now| keys.ring().signing(at(now)).map(|key| key.public.kid.clone());
        let first = kids(1_000)[0].clone();
        let next = rotate(folder.path(), at(1_000), false);
        assert_eq!(next.signs_from, at(1_360));
        assert_eq!(kids(1_001), std::slice::from_ref(&first), "nobody has looked yet");
        keys.refresh();
        assert_eq!(kids(1_001), [first.clone(), next.kid.clone()]);
        assert_eq!((signing(1_359), signing(1_360)), (Some(first.clone()), Some(next.kid.clone())));
        let gone = 1_360 + 15 * 60 + 5 * 60;
        assert_eq!(kids(gone - 1).len(), 2);
        assert_eq!(kids(gone), std::slice::from_ref(&next.kid));
        keys.prune(at(gone - 1));
        keys.refresh();
        assert_eq!(kids(1_001).len(), 2, "not yet");
        keys.prune(at(gone));
        keys.refresh();
        assert_eq!(kids(1_001), [next.kid], "its file is gone");
    }

    #[test]
    fn a_key_that_is_to_sign_at_once_is_the_only_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = open(folder.path()).expect("makes one");
        let next = rotate(folder.path(), at(1_000), true);
        let again = rotate_keys(&Settings::for_tests(), folder.path(), at(1_000), &Random::seeded(3), true)
            .expect("and another");
        assert!(next.kid != again.kid && again.signs_from == at(1_001));
        keys.refresh();
        let set = keys.key_set(at(1_001));
        assert_eq!(set.keys.into_iter().map(|key| key.kid).collect::<Vec<_>>(), [again.kid]);
    }

    #[test]
    fn no_key_is_stored_as_it_is_and_each_opens_its_own_file_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FIRST_FILE);
        // As somebody brought it.
        let pkcs8 = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key").to_pkcs8().expect("bytes");
        secret_file::write(&path, pkcs8.as_ref()).expect("writes");
        let kid = SigningKey::of(pkcs8.as_ref()).expect("a key").public.kid;
        let keys = open(folder.path()).expect("opens");
        keys.encrypt();
        assert_eq!(keys.key_set(at(1)).keys[0].kid, kid);
        let stored = secret_file::read(&path).expect("reads").expect("is there");
        let seed = [7; 32];
        assert!(SigningKey::of(&stored).is_none() && !stored.windows(32).any(|bytes| bytes == seed));
        assert_eq!(open(folder.path()).expect("opens again").key_set(at(1)).keys[0].kid, kid);
        secret_file::write(&folder.path().join("auth-signing-5.key"), &stored).expect("writes");
        assert!(matches!(open(folder.path()), Err(AuthOpenError::Key(path)) if path.ends_with("auth-signing-5.key")));
    }

    #[test]
    fn other_files_are_no_keys() {
        assert_eq!(begin("auth-signing.key"), Some(0));
        assert_eq!(begin("auth-signing-12.key"), Some(12));
        for other in
            ["auth-signing-.key", "auth-signing-0.key", "auth-signing--3.key", "auth-root.key", "auth-signing.0190a3"]
        {
            assert_eq!(begin(other), None, "{other}");
        }
    }
}
