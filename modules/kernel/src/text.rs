//! Text that people typed: trimmed, bounded, and free of characters that deceive the eye or break a log.

use std::borrow::Cow;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use unicode_normalization::UnicodeNormalization;

/// Why a text was refused; `Display` is `code: what to do`, which the HTTP edge splits again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing but white space.
    #[error("blank: write at least one visible character")]
    Blank,
    /// More characters than the field holds.
    #[error("too_long: write at most {0} characters")]
    TooLong(usize),
    /// A control, bidirectional or zero-width character.
    #[error("forbidden_character: remove control, bidirectional and zero-width characters")]
    Forbidden,
}

/// A refusal for a `Deserialize`: the stable code and what to do, as the HTTP edge reports it.
pub fn invalid<E: de::Error>(code: &str, advice: impl std::fmt::Display) -> E {
    E::custom(format_args!("{code}: {advice}"))
}

/// Characters that nobody sees, or that turn what is seen around, beyond those that are refused in any text.
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{180e}'
            | '\u{2028}'..='\u{2029}'
            | '\u{206a}'..='\u{206f}'
            | '\u{3164}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    ) || is_forbidden(c, true)
}

fn is_forbidden(c: char, line_breaks: bool) -> bool {
    match c {
        '\n' | '\r' | '\t' => !line_breaks,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => true,
        _ => c.is_control(),
    }
}

fn clean(text: &str, max: usize, line_breaks: bool) -> Result<String, TextError> {
    let text: String = text.trim().nfc().collect();
    let refused = |c: char| is_forbidden(c, line_breaks) || (!line_breaks && is_invisible(c));
    if text.chars().any(refused) {
        return Err(TextError::Forbidden);
    }
    if text.chars().count() > max {
        return Err(TextError::TooLong(max));
    }
    Ok(text)
}

macro_rules! text_type {
    ($(#[$meta:meta])* $name:ident, line_breaks: $line_breaks:literal, blank: $blank:literal) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name<const MAX: usize>(String);

        impl<const MAX: usize> $name<MAX> {
            /// Trims, normalises to NFC and checks.
            pub fn parse(text: &str) -> Result<Self, TextError> {
                let text = clean(text, MAX, $line_breaks)?;
                if text.is_empty() && !$blank { Err(TextError::Blank) } else { Ok(Self(text)) }
            }

            /// The text itself.
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl<const MAX: usize> Deref for $name<MAX> {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl<'de, const MAX: usize> Deserialize<'de> for $name<MAX> {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                Self::parse(&Cow::<str>::deserialize(from)?).map_err(de::Error::custom)
            }
        }

        impl<const MAX: usize> JsonSchema for $name<MAX> {
            fn schema_name() -> Cow<'static, str> {
                format!("{}{MAX}", stringify!($name)).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "minLength": i32::from(!$blank), "maxLength": MAX})
            }
        }
    };
}

text_type!(
    /// One line of 1 to `MAX` characters.
    Line, line_breaks: false, blank: false
);
text_type!(
    /// Text of 0 to `MAX` characters that may have line breaks.
    Prose, line_breaks: true, blank: true
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_trimmed_and_bounded() {
        assert_eq!(Line::<5>::parse("  tea ").as_deref(), Ok("tea"));
        assert_eq!(Line::<5>::parse("   "), Err(TextError::Blank));
        assert_eq!(Line::<5>::parse("camomile"), Err(TextError::TooLong(5)));
        assert_eq!(Line::<5>::parse("ééééé").map(|l| l.chars().count()), Ok(5));
    }

    #[test]
    fn characters_that_deceive_are_refused() {
        for bad in ["a\0b", "a\u{202e}b", "a\u{200b}b", "a\nb", "\u{feff}a", "a\u{61c}b", "a\u{e0041}b", "a\u{ad}b"] {
            assert_eq!(Line::<9>::parse(bad), Err(TextError::Forbidden), "{bad:?}");
        }
        assert!(Prose::<9>::parse("a\nb").is_ok());
        assert!(Prose::<9>::parse("").is_ok());
    }
}
