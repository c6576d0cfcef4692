//! Search: which products have every word of a query, each as the beginning of one of their terms.
//!
//! The work is bounded where some word is rare. The entries of a word are looked at when there are fewer than [`COMMON`]; a rarer word beside a
//! common one narrows the search first. Where all words are common, whoever asks looks among products that something else
//! has narrowed ([`Search::among`]), or looks through products in their order, so many at a time, and asks of each whether
//! it matches ([`Search::condition`]).

use std::collections::HashMap;

use diesel::dsl::exists;
use diesel::sql_types::Bool;
use emporium_database::Db;
use emporium_database::prelude::*;

use super::terms::{whole, words};
use crate::error::Done;
use crate::schema::{product, search_term};

type Backend = <Db as diesel::Connection>::Backend;
type Condition = Box<dyn BoxableExpression<product::table, Backend, SqlType = Bool>>;

/// So many entries make a word a common one.
pub(crate) const COMMON: usize = 5_000;
/// Products whose entries are looked up with one query.
const ASKED_AT_ONCE: usize = 500;
/// Words of a query that count.
const MOST_WORDS: usize = 8;
/// Sorts after every text that begins with what stands before it.
const LAST: char = char::MAX;

/// What is searched for.
#[derive(Debug)]
pub(crate) struct Search {
    words: Vec<String>,
    /// The whole query, when it can be the beginning of a SKU that is not a word.
    code: Option<String>,
}

/// Products with how well they match.
#[derive(Debug, Default)]
pub(crate) struct Matches {
    pub weights: HashMap<String, i64>,
}

impl Search {
    /// Reads a query; `None` when it is blank and therefore asks for nothing.
    pub fn read(query: &str) -> Option<Self> {
        if query.trim().is_empty() {
            return None;
        }
        let mut words = words(query);
        words.truncate(MOST_WORDS);
        let code = Some(whole(query)).filter(|code| !code.is_empty() && !words.contains(code));
        Some(Self { words, code })
    }

    /// All products that match; `None` when all words are common.
    pub fn matching(&self, db: &mut Db) -> Done<Option<Matches>> {
        let Some(mut matches) = self.having_all(db)? else { return Ok(None) };
        if let Some(code) = &self.code {
            match having(db, code)? {
                Some(coded) => add_coded(&mut matches, coded),
                None => return Ok(None),
            }
        }
        Ok(Some(matches))
    }

    /// Those of some products that match; none is left out.
    pub fn among(&self, db: &mut Db, products: Vec<String>) -> Done<Matches> {
        let coded = match &self.code {
            Some(code) => having_among(db, code, products.iter().map(String::as_str))?,
            None => HashMap::new(),
        };
        let mut matches = Matches::unweighed(products);
        if self.words.is_empty() {
            matches.weights.clear();
        }
        for word in &self.words {
            let also = having_among(db, word, matches.weights.keys().map(String::as_str))?;
            matches.narrow(&also);
        }
        add_coded(&mut matches, coded);
        Ok(matches)
    }

    /// Whether a product matches, as a condition of a query that walks through products in an order of their own. `None`
    /// when there is no word, of which [`Self::matching`] has found nothing already.
    pub fn condition(&self) -> Option<Condition> {
        let words = self.words.iter().map(|word| has(word));
        let words = words.reduce(|all, next| -> Condition { Box::new(all.and(next)) });
        let code = self.code.as_deref().map(has);
        match (words, code) {
            (Some(words), Some(code)) => Some(Box::new(words.or(code))),
            (words, code) => words.or(code),
        }
    }

    /// The products that have every word; `None` when all words are common.
    fn having_all(&self, db: &mut Db) -> Done<Option<Matches>> {
        let (mut rare, mut common) = (Vec::new(), Vec::new());
        for word in &self.words {
            match having(db, word)? {
                Some(weights) => rare.push(weights),
                None => common.push(word),
            }
        }
        if rare.is_empty() {
            return Ok(common.is_empty().then(Matches::default));
        }
        rare.sort_by_key(HashMap::len);
        let mut rare = rare.into_iter();
        let mut matches = Matches { weights: rare.next().unwrap_or_default() };
        rare.for_each(|also| matches.narrow(&also));
        for word in common {
            let also = having_among(db, word, matches.weights.keys().map(String::as_str))?;
            matches.narrow(&also);
        }
        Ok(Some(matches))
    }
}

impl Matches {
    /// Products of which none matches better than another.
    pub fn unweighed(products: Vec<String>) -> Self {
        Self { weights: products.into_iter().map(|product| (product, 0)).collect() }
    }

    /// Keeps what matches another word as well.
    fn narrow(&mut self, also: &HashMap<String, i64>) {
        self.weights.retain(|product, weight| also.get(product).map(|more| *weight += more).is_some());
    }
}

fn add_coded(matches: &mut Matches, coded: HashMap<String, i64>) {
    for (product, weight) in coded {
        *matches.weights.entry(product).or_default() += weight * 2;
    }
}

fn end(word: &str) -> String {
    format!("{word}{LAST}")
}

/// Whether the product of the query around this has a term that begins with `word`.
fn has(word: &str) -> Condition {
    let begins = search_term::term.ge(word.to_owned()).and(search_term::term.lt(end(word)));
    let of_product = search_term::table.filter(search_term::product.eq(product::id)).filter(begins);
    // MariaDB reads nothing but the index for what is selected, and all entries of the word for more.
    Box::new(exists(of_product.select(search_term::product)))
}

/// The products with a term that begins with `word`; `None` when it is common.
fn having(db: &mut Db, word: &str) -> Done<Option<HashMap<String, i64>>> {
    if is_common(db, word)? {
        return Ok(None);
    }
    let rows: Vec<(String, String, i64)> = search_term::table
        .filter(search_term::term.ge(word).and(search_term::term.lt(end(word))))
        .select((search_term::term, search_term::product, search_term::weight))
        .load(db)?;
    Ok(Some(best(word, rows)))
}

/// Counting alone takes a small part of the time that reading takes.
fn is_common(db: &mut Db, word: &str) -> Done<bool> {
    let beyond: Option<String> = search_term::table
        .filter(search_term::term.ge(word).and(search_term::term.lt(end(word))))
        .select(search_term::product)
        .order((search_term::term, search_term::product))
        .offset(i64::try_from(COMMON).unwrap_or(i64::MAX) - 1)
        .limit(1)
        .first(db)
        .optional()?;
    Ok(beyond.is_some())
}

/// Those of some products that have a term that begins with `word`. Few products at a time: for many of them a planner
/// reads every entry of the word there is.
fn having_among<'a>(db: &mut Db, word: &str, products: impl Iterator<Item = &'a str>) -> Done<HashMap<String, i64>> {
    let products: Vec<&str> = products.collect();
    let mut rows: Vec<(String, String, i64)> = Vec::new();
    for few in products.chunks(ASKED_AT_ONCE) {
        let found: Vec<(String, String, i64)> = search_term::table
            .filter(search_term::product.eq_any(few))
            .filter(search_term::term.ge(word).and(search_term::term.lt(end(word))))
            .select((search_term::term, search_term::product, search_term::weight))
            .load(db)?;
        rows.extend(found);
    }
    Ok(best(word, rows))
}

/// The best match of each product; a whole word counts twice as much as the beginning of one.
fn best(word: &str, rows: Vec<(String, String, i64)>) -> HashMap<String, i64> {
    let mut weights = HashMap::new();
    for (term, product, weight) in rows {
        let weight = if term == word { weight * 2 } else { weight };
        let best = weights.entry(product).or_default();
        *best = weight.max(*best);
    }
    weights
}
