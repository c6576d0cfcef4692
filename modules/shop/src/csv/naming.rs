//! SKUs of a file: made where they are missing, numbered where they repeat, and the same on every run.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use emporium_inventory_api::Sku;
use sha2::{Digest, Sha256};

use crate::catalogue::Slug;

/// The longest SKU, in characters.
const MAX: usize = 64;

/// A name's hash. With 128 bits no two names of a file are ever taken for one, and a set of them is small.
pub(super) fn fingerprint(name: &str) -> u128 {
    Sha256::digest(name).iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}

/// The SKU for a variant without one: handle and option values, shortened when it is too long.
pub(super) fn made(handle: &Slug, values: &[String]) -> Sku {
    let words = values.iter().filter_map(|value| Slug::from_words(value));
    let whole = std::iter::once(handle.clone()).chain(words).map(|word| word.to_string()).collect::<Vec<_>>().join("-");
    shortened(&whole)
}

/// The name itself or, when it is too long, its beginning and a hash of the whole.
pub(super) fn shortened(name: &str) -> Sku {
    if name.chars().count() <= MAX {
        return Sku::stored(name.to_owned());
    }
    let hash = format!("{:032x}", fingerprint(name));
    let head: String = name.chars().take(MAX - 9).collect();
    Sku::stored(format!("{}-{}", head.trim_end(), hash.get(..8).unwrap_or_default()))
}

#[derive(Debug)]
struct Use {
    /// Whether a row has it.
    taken: bool,
    /// The number to try for the next row that wants it.
    next: u32,
}

/// The SKUs of a file. Given ones win over made and numbered ones, wherever they stand, so all of them are noted in a
/// first pass and claimed in a second.
#[derive(Debug, Default)]
pub(super) struct Names {
    uses: HashMap<u128, Use>,
}

impl Names {
    /// Notes that a row of the file gives this SKU.
    pub(super) fn note(&mut self, sku: &Sku) {
        self.uses.entry(fingerprint(sku)).or_insert(Use { taken: false, next: 2 });
    }

    /// Gives a row the SKU it wants, or the next free one with a number behind it.
    pub(super) fn claim(&mut self, wanted: Sku, given: bool) -> Sku {
        let key = fingerprint(&wanted);
        match self.uses.get_mut(&key) {
            None => {
                self.uses.insert(key, Use { taken: true, next: 2 });
                wanted
            }
            Some(noted) if given && !noted.taken => {
                noted.taken = true;
                wanted
            }
            Some(noted) => {
                let first = noted.next;
                let (sku, number) = self.numbered(&wanted, first);
                if let Some(noted) = self.uses.get_mut(&key) {
                    noted.next = number.saturating_add(1);
                }
                sku
            }
        }
    }

    fn numbered(&mut self, wanted: &Sku, first: u32) -> (Sku, u32) {
        let mut number = first;
        loop {
            let suffix = format!("-{number}");
            let head: String = wanted.chars().take(MAX - suffix.len()).collect();
            let sku = Sku::stored(format!("{head}{suffix}"));
            let key = fingerprint(&sku);
            if let Entry::Vacant(free) = self.uses.entry(key) {
                free.insert(Use { taken: true, next: 2 });
                return (sku, number);
            }
            number = number.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sku(text: &str) -> Sku {
        Sku::parse(text).expect("a SKU")
    }

    fn slug(text: &str) -> Slug {
        Slug::parse(text).expect("a slug")
    }

    #[test]
    fn a_missing_sku_is_made_from_handle_and_options() {
        let values = ["Navy Blue".to_owned(), "M".to_owned(), "***".to_owned()];
        assert_eq!(made(&slug("rain-coat"), &values).as_str(), "rain-coat-navy-blue-m");
        assert_eq!(made(&slug("rain-coat"), &[]).as_str(), "rain-coat");
    }

    #[test]
    fn long_names_are_shortened_and_stay_apart() {
        let long = slug("long-".repeat(30).trim_end_matches('-'));
        let (red, blue) = (made(&long, &["Red".to_owned()]), made(&long, &["Blue".to_owned()]));
        assert_ne!(red, blue);
        assert_eq!(red, made(&long, &["Red".to_owned()]));
        assert_eq!(Sku::parse(&red), Ok(red.clone()), "it is well formed");
    }

    #[test]
    fn the_first_keeps_a_repeated_sku_and_given_ones_win() {
        let mut names = Names::default();
        for given in ["A", "A", "A-2", "tea"] {
            names.note(&sku(given));
        }
        let claimed: Vec<String> =
            [("A", true), ("tea", false), ("A", true), ("A-2", true), ("A", true), ("tea", true)]
                .map(|(wanted, given)| names.claim(sku(wanted), given).to_string())
                .to_vec();
        assert_eq!(claimed, ["A", "tea-2", "A-3", "A-2", "A-4", "tea"]);
    }

    #[test]
    fn a_number_never_makes_a_sku_too_long() {
        let mut names = Names::default();
        let long = sku(&"x".repeat(64));
        names.note(&long);
        names.claim(long.clone(), true);
        let second = names.claim(long, true);
        assert_eq!(second.as_str(), format!("{}-2", "x".repeat(62)));
    }
}
