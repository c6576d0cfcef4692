//! Passwords as they come in: bounded, normalised once, never printed; and which of them may be set.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use emporium_auth_api::AuthError;
use emporium_kernel::invalid;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use unicode_normalization::UnicodeNormalization;

/// The fewest code points of a password that is set.
const SHORTEST: usize = 8;
/// The most code points of any password; all of them count.
pub(crate) const LONGEST: usize = 256;

static COMMON: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    let lines = include_str!("common_passwords.txt").lines();
    lines.filter(|line| !line.starts_with('#')).collect()
});

/// A password that is offered at login. NFC, otherwise exactly as it was sent.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn read(text: &str) -> Result<Self, (&'static str, String)> {
        let text: String = text.nfc().collect();
        if text.chars().count() > LONGEST {
            return Err(("password_too_long", format!("use at most {LONGEST} characters")));
        }
        Ok(Self(text))
    }
}

/// A password that is to be set: 8 to 256 characters, not blank, not among the most common.
#[derive(Clone, Debug)]
pub struct NewPassword(Password);

impl NewPassword {
    /// Reads one; the refusal says what to do.
    pub fn parse(text: &str) -> Result<Self, AuthError> {
        Self::read(text).map_err(|(_, reason)| AuthError::WeakPassword { reason })
    }

    fn read(text: &str) -> Result<Self, (&'static str, String)> {
        let password = Password::read(text)?;
        let text = &password.0;
        let lower = text.to_lowercase();
        let mut distinct = text.chars().collect::<Vec<_>>();
        distinct.dedup();
        if text.contains('\0') {
            Err(("forbidden_character", "NUL is not allowed in a password".to_owned()))
        } else if text.trim().is_empty() {
            Err(("password_blank", "use at least one visible character".to_owned()))
        } else if text.chars().count() < SHORTEST {
            Err(("password_too_short", format!("use at least {SHORTEST} characters")))
        } else if COMMON.contains(lower.as_str()) || distinct.len() == 1 {
            Err(("password_too_common", "this is among the first that are tried; use another".to_owned()))
        } else {
            Ok(Self(password))
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0.0
    }

    pub(crate) fn into_password(self) -> Password {
        self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

macro_rules! password_type {
    ($name:ident, $shortest:expr) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                Self::read(&text).map_err(|(code, reason)| invalid(code, reason))
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string", "format": "password", "minLength": $shortest, "maxLength": LONGEST,
                })
            }
        }
    };
}
password_type!(Password, 0);
password_type!(NewPassword, SHORTEST);

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<&'static str> {
        NewPassword::read(text).err().map(|(code, _)| code)
    }

    #[test]
    fn length_is_counted_in_code_points_after_normalisation() {
        assert_eq!(code("sieben7"), Some("password_too_short"));
        assert_eq!(code("achtacht"), None);
        assert_eq!(code(&"é".repeat(7)), Some("password_too_short"));
        assert_eq!(code(&"ab".repeat(128)), None);
        assert_eq!(code(&format!("{}c", "ab".repeat(128))), Some("password_too_long"));
        assert_eq!(code(&"e\u{301}x".repeat(128)), None);
    }

    #[test]
    fn what_everybody_tries_first_is_refused() {
        for bad in ["password", "Password123", "12345678", "QWERTYUIOP", "aaaaaaaaaaaa"] {
            assert_eq!(code(bad), Some("password_too_common"), "{bad}");
        }
        assert_eq!(code("          "), Some("password_blank"));
        assert_eq!(code("tea\0at\0four"), Some("forbidden_character"));
        assert_eq!(code("tea at four o'clock"), None);
    }

    #[test]
    fn the_list_has_thousands_that_would_be_long_enough() {
        assert!(COMMON.len() >= 5_000, "{}", COMMON.len());
        let odd: Vec<_> = COMMON.iter().filter(|word| word.len() < SHORTEST || word.to_lowercase() != **word).collect();
        assert_eq!(odd, Vec::<&&str>::new());
    }

    #[test]
    fn case_and_spaces_count_and_normal_forms_do_not() {
        let bytes = |text: &str| NewPassword::parse(text).expect("fits").into_password().as_bytes().to_vec();
        assert_ne!(bytes("tea at four"), bytes("Tea at four"));
        assert_ne!(bytes("tea at four"), bytes("tea at four "));
        assert_eq!(bytes("caf\u{e9} at four"), bytes("cafe\u{301} at four"));
    }
}
