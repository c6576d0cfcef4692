//! Identifiers in TypeID form: a prefix that says what it names and a UUIDv7 in 26 characters of base32, so that
//! text order is time order; only what is derived from other text has a hash instead. See <https://github.com/jetify-com/typeid/tree/main/spec>.

use sha2::{Digest, Sha256};
use uuid::Builder;

use crate::{Random, Timestamp};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The 26 characters after the prefix, for `now`.
pub fn base32_id(now: Timestamp, random: &Random) -> String {
    let millis = u64::try_from(now.millis()).unwrap_or(0);
    let uuid = Builder::from_unix_timestamp_millis(millis, &random.bytes()).into_uuid();
    encode(uuid.as_u128())
}

/// The 26 characters that the same `parts` always give.
pub fn derived_id(parts: &[&str]) -> String {
    let hash = Sha256::digest(format!("emporium/1|{}", parts.join("|")));
    let bits = hash.iter().take(16).fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
    encode(bits)
}

/// What always follows from `parent`, an identifier of ours, and the same `parts`: how a command's id follows from order,
/// step and attempt. Its first 48 bits are the parent's time, and 80 bits are a hash of all. Rows of such ids are written side by side, as those of their parents are, and
/// not all over their table. Of a `parent` that is none, all bits are hash.
pub fn derived_from(parent: &str, parts: &[&str]) -> String {
    let mut all = vec![parent];
    all.extend(parts);
    let hash = derived_id(&all);
    match parent.split_once('_') {
        Some((prefix, id)) if is_id(prefix, parent) => format!("{}{}", &id[..TIME], &hash[TIME..]),
        _ => hash,
    }
}

/// So many of the 26 characters hold the time.
const TIME: usize = 10;

/// 128 bits as 26 characters; the first holds only three bits.
pub(crate) fn encode(bits: u128) -> String {
    (0..26).rev().map(|place| char::from(ALPHABET[(bits >> (place * 5)) as usize & 31])).collect()
}

/// Whether `text` is `prefix`, an underscore and 26 characters that [`encode`] can make.
pub fn is_id(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).is_some_and(|rest| {
        rest.len() == 26
            && rest.bytes().all(|b| ALPHABET.contains(&b))
            && rest.as_bytes().first().is_some_and(|b| *b <= b'7')
    })
}

/// Declares an identifier type with its prefix: `id!(/// Names an order. OrderId = "ord");`
///
/// A value that exists is well formed. `new` makes one from time and chance, `parse` reads one.
#[macro_export]
macro_rules! id {
    ($(#[$meta:meta])* $name:ident = $prefix:literal) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, $crate::__private::serde::Serialize)]
        #[serde(crate = "::emporium_kernel::__private::serde", transparent)]
        pub struct $name(String);

        impl $name {
            /// A new one, never made before.
            pub fn new(now: $crate::Timestamp, random: &$crate::Random) -> Self {
                Self(format!("{}_{}", $prefix, $crate::base32_id(now, random)))
            }

            /// The one that always follows from the same `parts`.
            pub fn derived(parts: &[&str]) -> Self {
                Self(format!("{}_{}", $prefix, $crate::derived_id(parts)))
            }

            /// The one that always follows from `parent` and the same `parts`, and is as old as `parent`.
            pub fn derived_from(parent: &str, parts: &[&str]) -> Self {
                Self(format!("{}_{}", $prefix, $crate::derived_from(parent, parts)))
            }

            /// Reads one; `None` when it is not of this kind.
            pub fn parse(text: &str) -> Option<Self> {
                $crate::is_id($prefix, text).then(|| Self(text.to_owned()))
            }

            /// One that was stored by us and is therefore known to be well formed.
            pub fn stored(text: String) -> Self {
                Self(text)
            }

            /// Its text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = &'static str;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text).ok_or(concat!("invalid_id: expected ", $prefix, "_ and 26 characters"))
            }
        }

        impl<'de> $crate::__private::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::__private::serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <String as $crate::__private::serde::Deserialize>::deserialize(from)?;
                text.parse().map_err(<D::Error as $crate::__private::serde::de::Error>::custom)
            }
        }

        impl $crate::__private::schemars::JsonSchema for $name {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(
                _: &mut $crate::__private::schemars::SchemaGenerator,
            ) -> $crate::__private::schemars::Schema {
                $crate::__private::schemars::json_schema!({
                    "type": "string",
                    "pattern": concat!("^", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{25}$"),
                })
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_order_is_time_order() {
        let random = Random::seeded(3);
        let early = base32_id(Timestamp::from_micros(1_000_000), &random);
        let late = base32_id(Timestamp::from_micros(2_000_000), &random);
        assert!(early < late);
    }

    #[test]
    fn the_extremes_encode_as_typeid_says() {
        assert_eq!(encode(0), "0".repeat(26));
        assert_eq!(encode(u128::MAX), format!("7{}", "z".repeat(25)));
    }

    #[test]
    fn the_same_parts_give_the_same_id_for_ever() {
        assert_eq!(derived_id(&["ord_1", "hold", "1"]), "1n68mb3tqzcxem7yasrktz5vg7");
        assert_ne!(derived_id(&["ord_1", "hold", "2"]), derived_id(&["ord_1", "hold", "1"]));
    }

    #[test]
    fn what_is_derived_from_an_id_is_as_old_and_differs_by_its_parts() {
        let order = |micros, seed| format!("ord_{}", base32_id(Timestamp::from_micros(micros), &Random::seeded(seed)));
        let (early, same_moment, late) = (order(1_000_000, 1), order(1_000_000, 2), order(2_000_000, 1));
        let hold = |order: &str, attempt| derived_from(order, &["hold", attempt]);
        assert_eq!(hold(&early, "1"), hold(&early, "1"));
        for other in
            [hold(&early, "2"), hold(&same_moment, "1"), hold(&late, "1"), derived_from(&early, &["reserve", "1"])]
        {
            assert_ne!(hold(&early, "1"), other);
            assert!(is_id("hld", &format!("hld_{other}")), "{other}");
        }
        assert!(hold(&early, "1") < hold(&late, "1") && hold(&same_moment, "2") < hold(&late, "2"));
        assert_eq!(hold(&early, "1")[..10], early[4..14]);
        // It is asked for again after an update: it never changes.
        assert_eq!(hold("ord_01kbb2wc00e008000000000000", "1"), "01kbb2wc00t3r94s5jypw5qvq7");
        assert_eq!(hold("ord_1", "1"), derived_id(&["ord_1", "hold", "1"]), "no id of ours");
    }

    #[test]
    fn only_well_formed_text_of_the_right_kind_is_an_id() {
        let good = format!("ord_{}", base32_id(Timestamp::from_micros(0), &Random::seeded(1)));
        assert!(is_id("ord", &good));
        for bad in [
            "",
            "ord",
            "ord_",
            &good[..29],
            &good.replace("ord", "usr"),
            &good.to_uppercase(),
            "ord_8zzzzzzzzzzzzzzzzzzzzzzzzz",
        ] {
            assert!(!is_id("ord", bad), "{bad}");
        }
    }
}
