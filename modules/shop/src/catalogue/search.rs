//! Search: which products have every word of a query, each as the beginning of one of their terms.
//!
//! The work is bounded. Of a word that more than [`LOOKED_AT`] entries match, the first ones are looked at, exact
//! matches before longer ones; a rarer word beside it narrows the search first, and then nothing is left out.

use std::collections::HashMap;

use diesel::prelude::*;
use emporium_database::Db;

use super::terms::{whole, words};
use crate::error::Done;
use crate::schema::search_term;

/// Entries looked at for one word.
const LOOKED_AT: usize = 5_000;
/// Words of a query that count.
const MOST_WORDS: usize = 8;
/// Sorts after every text that begins with what stands before it.
const LAST: char = char::MAX;

/// Products with how well they match.
pub(crate) type Matches = HashMap<String, i64>;

/// The products that match, at most [`LOOKED_AT`] and those with a SKU that begins like the whole query; `None` when
/// the query is blank and therefore asks for nothing.
pub(crate) fn matching(db: &mut Db, query: &str) -> Done<Option<Matches>> {
    if query.trim().is_empty() {
        return Ok(None);
    }
    let words = words(query);
    let mut matches = having_all(db, &words)?;
    let code = whole(query);
    if !words.contains(&code) {
        for (product, weight) in having(db, &code)?.matches {
            *matches.entry(product).or_default() += weight * 2;
        }
    }
    Ok(Some(matches))
}

struct Found {
    word: String,
    matches: Matches,
    complete: bool,
}

fn having_all(db: &mut Db, words: &[String]) -> Done<Matches> {
    let mut found = Vec::new();
    for word in words.iter().take(MOST_WORDS) {
        found.push(having(db, word)?);
    }
    // The rarest first, and the longest of those that are too common.
    found.sort_by_key(|one| (!one.complete, one.matches.len(), usize::MAX - one.word.len()));
    let mut found = found.into_iter();
    let Some(first) = found.next() else { return Ok(Matches::new()) };
    let mut matches = first.matches;
    for next in found {
        let also = if next.complete { next.matches } else { having_among(db, &next.word, &matches)? };
        matches.retain(|product, _| also.contains_key(product));
        for (product, weight) in &mut matches {
            *weight += also.get(product).copied().unwrap_or(0);
        }
    }
    Ok(matches)
}

/// The products with a term that begins with `word`.
fn having(db: &mut Db, word: &str) -> Done<Found> {
    let end = format!("{word}{LAST}");
    let rows: Vec<(String, String, i64)> = search_term::table
        .filter(search_term::term.ge(word).and(search_term::term.lt(&end)))
        .select((search_term::term, search_term::product, search_term::weight))
        .order((search_term::term, search_term::product))
        .limit(i64::try_from(LOOKED_AT).unwrap_or(i64::MAX))
        .load(db)?;
    let complete = rows.len() < LOOKED_AT;
    Ok(Found { word: word.to_owned(), matches: best(word, rows), complete })
}

/// Those of some products that have a term that begins with `word`.
fn having_among(db: &mut Db, word: &str, products: &Matches) -> Done<Matches> {
    let end = format!("{word}{LAST}");
    let rows: Vec<(String, String, i64)> = search_term::table
        .filter(search_term::product.eq_any(products.keys()))
        .filter(search_term::term.ge(word).and(search_term::term.lt(&end)))
        .select((search_term::term, search_term::product, search_term::weight))
        .load(db)?;
    Ok(best(word, rows))
}

/// The best match of each product; a whole word counts twice as much as the beginning of one.
fn best(word: &str, rows: Vec<(String, String, i64)>) -> Matches {
    let mut matches = Matches::new();
    for (term, product, weight) in rows {
        let weight = if term == word { weight * 2 } else { weight };
        let best = matches.entry(product).or_default();
        *best = weight.max(*best);
    }
    matches
}
