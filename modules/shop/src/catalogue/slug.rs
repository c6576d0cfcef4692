//! Slugs that nobody has yet.

use emporium_database::{Db, refuse};

use super::Slug;
use crate::ShopError;
use crate::error::Done;

/// What a thing without letters and digits in its name is called in addresses.
const NAMELESS: &str = "unnamed";

/// The slug that was asked for, or the first free one of its name: `mug`, `mug-2`, `mug-3`. One that was asked for and
/// is taken is refused.
pub(crate) fn free(
    db: &mut Db,
    asked: Option<&Slug>,
    name: &str,
    taken: impl Fn(&mut Db, &Slug) -> Done<bool>,
) -> Done<Slug> {
    if let Some(slug) = asked {
        return if taken(db, slug)? { refuse(slug_taken(slug)) } else { Ok(slug.clone()) };
    }
    let base = Slug::from_words(name).unwrap_or_else(|| Slug::stored(NAMELESS.to_owned()));
    if !taken(db, &base)? {
        return Ok(base);
    }
    first_free(|n| taken(db, &base.numbered(n))).map(|n| base.numbered(n))
}

/// The refusal of a slug that something else has.
pub(crate) fn slug_taken(slug: &Slug) -> ShopError {
    ShopError::SlugTaken { slug: slug.to_string() }
}

/// A free number from 2 on: doubles until one is free and then halves the gap, so that the ten-thousandth thing of a
/// name costs some twenty looks.
fn first_free(mut taken: impl FnMut(usize) -> Done<bool>) -> Done<usize> {
    let (mut used, mut free) = (1, 2);
    while taken(free)? {
        (used, free) = (free, free * 2);
    }
    while free - used > 1 {
        let middle = used + (free - used) / 2;
        if taken(middle)? {
            used = middle;
        } else {
            free = middle;
        }
    }
    Ok(free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_the_next_one_and_found_in_few_looks() {
        for count in [1, 2, 3, 4, 5, 17, 10_000] {
            let mut looks = 0;
            let found = first_free(|n| {
                looks += 1;
                Ok(n <= count)
            });
            assert_eq!(found.expect("no storage"), count + 1);
            assert!(looks < 40, "{looks}");
        }
    }
}
