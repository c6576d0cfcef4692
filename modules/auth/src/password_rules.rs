//! Which passwords may be set here: those that are long enough, on no list of ours, and say more than whose they are.

use std::io::BufRead;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use emporium_auth_api::{AuthError, Email};
use unicode_normalization::UnicodeNormalization;

use crate::password::{LONGEST, NewPassword};
use crate::settings::Settings;

/// Words that say where the password is for.
const HERE: [&str; 2] = ["emporium", "password"];
/// The shortest word that is looked for within a password.
const SHORTEST_WORD: usize = 3;

/// What the settings ask of a new password, besides what [`NewPassword`] asks of all.
pub(crate) struct PasswordRules {
    /// The fewest code points.
    least: usize,
    blocked: Blocklist,
}

/// Passwords of the shop's own list, by the beginning of their hash and in order: a list can be long.
struct Blocklist(Vec<[u8; 16]>);

impl PasswordRules {
    /// As the settings say; why they are refused.
    pub(crate) fn of(settings: &Settings) -> Result<Self, String> {
        let least = usize::try_from(settings.password_characters).unwrap_or(LONGEST);
        let file = settings.password_blocklist.as_str();
        let blocked = if file.is_empty() { Blocklist(Vec::new()) } else { Blocklist::read(Path::new(file))? };
        Ok(Self { least, blocked })
    }

    /// Refuses a password that somebody of this address and name may not have.
    pub(crate) fn check(&self, password: &NewPassword, email: &Email, name: &str) -> Result<(), AuthError> {
        let (text, least) = (password.as_str(), self.least);
        let weak = |reason: String| Err(AuthError::WeakPassword { reason });
        if text.chars().count() < least {
            return weak(format!("use at least {least} characters"));
        }
        if self.blocked.has(text) {
            return weak("this is on a list of passwords that are tried; use another".to_owned());
        }
        if says_only(text, email, name) {
            return weak("use one that is not your name, your address or the name of the shop".to_owned());
        }
        Ok(())
    }
}

impl Blocklist {
    /// One password a line.
    fn read(path: &Path) -> Result<Self, String> {
        let refused = |error: std::io::Error| format!("password_blocklist {}: {error}", path.display());
        let file = std::fs::File::open(path).map_err(refused)?;
        let mut marks = Vec::new();
        for line in std::io::BufReader::new(file).split(b'\n') {
            let line = line.map_err(refused)?;
            if line.contains(&0) {
                return Err(format!("password_blocklist {}: it is not UTF-8", path.display()));
            }
            // Lists that went round the world hold bytes of all encodings.
            marks.push(mark(String::from_utf8_lossy(&line).trim_start_matches('\u{feff}').trim_end_matches('\r')));
        }
        marks.sort_unstable();
        marks.dedup();
        Ok(Self(marks))
    }

    fn has(&self, password: &str) -> bool {
        self.0.binary_search(&mark(password)).is_ok()
    }
}

/// What a password is known by, whatever its case.
fn mark(password: &str) -> [u8; 16] {
    let plain = password.nfc().collect::<String>().to_lowercase();
    let mut mark = [0; 16];
    mark.copy_from_slice(&digest(&SHA256, plain.as_bytes()).as_ref()[..16]);
    mark
}

/// Whether a password is the address or name of its owner, or has letters of which nothing is left without the names of
/// its owner and of the shop.
fn says_only(password: &str, email: &Email, name: &str) -> bool {
    let local = email.as_str().rsplit_once('@').map_or("", |(local, _)| local);
    let (plain, called) = (password.to_lowercase(), name.to_lowercase());
    if [email.as_str(), local, &called].contains(&plain.as_str()) {
        return true;
    }
    let parts = name.split_whitespace().chain(local.split(|c: char| !c.is_alphanumeric()));
    let mut words: Vec<String> =
        HERE.into_iter().chain([email.as_str(), local, name]).chain(parts).map(letters).collect();
    words.retain(|word| word.chars().count() >= SHORTEST_WORD);
    // The longest first, so that a part of it does not tear it apart.
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let mut left = letters(password);
    if left.is_empty() {
        return false;
    }
    for word in &words {
        left = left.replace(word.as_str(), "");
    }
    left.is_empty()
}

/// The letters of a text, in lower case.
fn letters(text: &str) -> String {
    text.nfc().flat_map(char::to_lowercase).filter(|c| c.is_alphabetic()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(change: impl Fn(&mut Settings)) -> Settings {
        let mut settings = Settings::default();
        change(&mut settings);
        settings
    }

    fn check(settings: &Settings, text: &str) -> Result<(), AuthError> {
        let ada = Email::parse("ada.lovelace@example.com").expect("an address");
        PasswordRules::of(settings).expect("rules").check(&NewPassword::parse(text)?, &ada, "Ada Lovelace")
    }

    fn is_weak(settings: &Settings, text: &str) -> bool {
        matches!(check(settings, text), Err(AuthError::WeakPassword { .. }))
    }

    #[test]
    fn ones_own_name_is_no_password() {
        let settings = Settings::default();
        for bad in [
            "ada.lovelace",
            "Lovelace1815",
            "AdaLovelace!",
            "1815-ada-lovelace",
            "ada+Emporium 2026",
            "emporium2026",
            "ada.lovelace@example.com",
        ] {
            assert!(is_weak(&settings, bad), "{bad}");
        }
        assert_eq!(check(&settings, "lovelace and the engine"), Ok(()));
        assert_eq!(check(&settings, "1234 5678 9"), Ok(()));
    }

    #[test]
    fn an_address_without_letters_is_no_password_either() {
        let rules = PasswordRules::of(&Settings::default()).expect("rules");
        for local in ["19901231", "li123456"] {
            let email = Email::parse(&format!("{local}@example.com")).expect("an address");
            let password = NewPassword::parse(local).expect("a password");
            assert!(rules.check(&password, &email, "Li").is_err(), "{local}");
        }
    }

    #[test]
    fn a_shop_can_ask_for_longer_ones() {
        let settings = settings(|s| s.password_characters = 12);
        assert!(is_weak(&settings, "tea at four"));
        assert_eq!(check(&settings, "tea at fourteen"), Ok(()));
    }

    #[test]
    fn a_shop_can_have_a_list_of_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("leaked.txt");
        std::fs::write(&path, b"\xef\xbb\xbfcorrect horse\n\xff\xfe odd\nCafe\xcc\x81 at four\r\n").expect("writes");
        let file = path.to_str().expect("text").to_owned();
        let listed = settings(|s| s.password_blocklist.clone_from(&file));
        assert!(is_weak(&listed, "Correct Horse") && is_weak(&listed, "caf\u{e9} at four"));
        assert_eq!(check(&listed, "correct horses"), Ok(()));
        std::fs::write(&path, b"\xff\xfec\0o\0r\0").expect("writes");
        assert!(PasswordRules::of(&listed).is_err_and(|reason| reason.contains("UTF-8")));
        let missing = settings(|s| s.password_blocklist = "/nowhere/at/all".to_owned());
        assert!(PasswordRules::of(&missing).is_err_and(|reason| reason.contains("/nowhere/at/all")));
    }
}
