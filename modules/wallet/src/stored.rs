//! Values as they stand in the database: words of closed sets, currencies, money.

use emporium_database::Failure;
use emporium_kernel::{Currency, Money};

use crate::Done;

/// A value of a closed set.
pub(crate) trait Word: Sized {
    /// The word it is stored as.
    fn text(self) -> &'static str;
    /// Reads the word.
    fn read(text: &str) -> Done<Self>;
}

/// Declares an enum whose values are words, the same in the database and on the wire.
macro_rules! words {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$about:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        $vis enum $name { $($(#[$about])* $variant),* }

        impl $crate::stored::Word for $name {
            fn text(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            fn read(text: &str) -> $crate::Done<Self> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(emporium_database::Failure::corrupt(text)),
                }
            }
        }
    };
}
pub(crate) use words;

pub(crate) fn currency(code: &str) -> Done<Currency> {
    Currency::parse(code).ok_or_else(|| Failure::corrupt(code))
}

pub(crate) fn money(amount: i64, code: &str) -> Done<Money> {
    Money::new(amount, currency(code)?).map_err(|_| Failure::corrupt(format!("{amount} {code}")))
}
