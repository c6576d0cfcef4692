//! Search: which products have every word of a query, each as the beginning of one of their terms.
//!
//! The work is bounded. Of a word that more than [`LOOKED_AT`] entries match, the first ones are looked at, exact
//! matches before longer ones; a rarer word beside it narrows the search first, and then nothing is left out. Whoever
//! needs all of them looks among products that something else has narrowed ([`Search::among`]), or walks through
//! products in their order and asks of each whether it matches ([`Search::condition`]).

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

/// Entries looked at for one word.
pub(crate) const LOOKED_AT: usize = 5_000;
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
    /// Whether none was left out.
    pub complete: bool,
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

    /// The products that match, at most [`LOOKED_AT`] and those with a SKU that begins like the whole query.
    pub fn matching(&self, db: &mut Db) -> Done<Matches> {
        let mut matches = self.having_all(db)?;
        if let Some(code) = &self.code {
            let coded = having(db, code)?;
            matches.complete &= coded.complete;
            add_coded(&mut matches, coded.weights);
        }
        Ok(matches)
    }

    /// Those of some products that match; none is left out.
    pub fn among(&self, db: &mut Db, products: Vec<String>) -> Done<Matches> {
        let coded = match &self.code {
            Some(code) => having_among(db, code, products.iter().map(String::as_str))?,
            None => HashMap::new(),
        };
        let weights = products.into_iter().map(|product| (product, 0)).collect();
        let mut matches = Matches { weights, complete: true };
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
    /// when nothing can match.
    pub fn condition(&self) -> Option<Condition> {
        let words = self.words.iter().map(|word| has(word));
        let words = words.reduce(|all, next| -> Condition { Box::new(all.and(next)) });
        let code = self.code.as_deref().map(has);
        match (words, code) {
            (Some(words), Some(code)) => Some(Box::new(words.or(code))),
            (words, code) => words.or(code),
        }
    }

    fn having_all(&self, db: &mut Db) -> Done<Matches> {
        let mut found = Vec::new();
        for word in &self.words {
            found.push((word, having(db, word)?));
        }
        // The rarest first, and the longest of those that are too common.
        found.sort_by_key(|(word, one)| (!one.complete, one.weights.len(), usize::MAX - word.len()));
        let mut found = found.into_iter();
        let Some((_, mut matches)) = found.next() else { return Ok(Matches { complete: true, ..Matches::default() }) };
        for (word, next) in found {
            let products = matches.weights.keys().map(String::as_str);
            let also = if next.complete { next.weights } else { having_among(db, word, products)? };
            matches.narrow(&also);
        }
        Ok(matches)
    }
}

impl Matches {
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
    Box::new(exists(search_term::table.filter(search_term::product.eq(product::id)).filter(begins)))
}

/// The products with a term that begins with `word`.
fn having(db: &mut Db, word: &str) -> Done<Matches> {
    let rows: Vec<(String, String, i64)> = search_term::table
        .filter(search_term::term.ge(word).and(search_term::term.lt(end(word))))
        .select((search_term::term, search_term::product, search_term::weight))
        .order((search_term::term, search_term::product))
        .limit(i64::try_from(LOOKED_AT).unwrap_or(i64::MAX))
        .load(db)?;
    let complete = rows.len() < LOOKED_AT;
    Ok(Matches { weights: best(word, rows), complete })
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
