//! Entries: which product has which term, and how much it counts there. A word stands for all terms that begin with it.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use diesel::dsl::exists;
use diesel::sql_types::Text;
use emporium_database::prelude::*;
use emporium_database::scan::FEW;
use emporium_database::{Db, is};

use super::{Backend, Condition};
use crate::error::Done;
use crate::schema::{product, search_term};

/// Products whose entries are looked up with one query.
const ASKED_AT_ONCE: usize = 500;
/// So many products may stand side by side.
const SIDE_BY_SIDE: usize = 100;
/// Between products that do, so many times as many entries at most.
const BETWEEN: usize = 4;
/// So many terms that begin with a word are few.
const FEW_TERMS: usize = 8;
/// Sorts after every text that begins with what stands before it.
const LAST: char = char::MAX;

/// A word of a query, with the terms that begin with it once they were looked up.
#[derive(Debug)]
pub(super) struct Word {
    text: String,
    terms: OnceCell<Option<Vec<String>>>,
}

impl Word {
    pub fn new(text: String) -> Self {
        Self { text, terms: OnceCell::new() }
    }

    /// The terms that begin with it, when they are few.
    fn few_terms(&self, db: &mut Db) -> Done<Option<&[String]>> {
        if self.terms.get().is_none() {
            // Nobody else sets it meanwhile.
            let _ = self.terms.set(few_terms(db, &self.text)?);
        }
        Ok(self.terms.get().and_then(Option::as_deref))
    }

    /// Whether the product of the query around this has a term that begins with it.
    pub fn condition(&self) -> Condition {
        let begins = search_term::term.ge(self.text.clone()).and(search_term::term.lt(end(&self.text)));
        let of_product = search_term::table.filter(search_term::product.eq(product::id)).filter(begins);
        // MariaDB reads nothing but the index for what is selected, and all entries of the word for more.
        Box::new(exists(of_product.select(search_term::product)))
    }
}

/// A term, a product that has it, and how much it counts there.
type Entry = (String, String, i64);

/// The newest of some products: the last by their ids, which begin with the time.
#[derive(Debug, Default)]
pub(crate) struct Latest {
    /// Their ids, in no order, and some twice where two were put together.
    pub products: Vec<String>,
    /// Down to this one all are there; `None` where there are no more.
    pub until: Option<String>,
}

/// Which of them are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds<'a> {
    /// They are before this id.
    pub before: &'a str,
    /// They are this one or behind it; all are behind the empty text.
    pub from: &'a str,
    /// How many of one word.
    pub most: usize,
}

impl Latest {
    fn of(mut products: Vec<String>, most: usize) -> Self {
        products.sort_unstable_by(|a, b| b.cmp(a));
        products.dedup();
        products.truncate(most);
        let until = if products.len() == most { products.last().cloned() } else { None };
        Self { products, until }
    }

    /// These and others, as far as both were looked at.
    pub fn and(mut self, others: Self) -> Self {
        self.until = self.until.max(others.until);
        self.products.extend(others.products);
        self.products.retain(|product| self.until.as_ref().is_none_or(|until| product >= until));
        self
    }
}

fn end(word: &str) -> String {
    format!("{word}{LAST}")
}

/// The products with a term that begins with `word`; `None` when it is common, with more than [`FEW`] entries.
pub(super) fn having(db: &mut Db, word: &Word) -> Done<Option<HashMap<String, i64>>> {
    let word = word.text.as_str();
    if is_common(db, word)? {
        return Ok(None);
    }
    let entries: Vec<Entry> = search_term::table
        .filter(search_term::term.ge(word).and(search_term::term.lt(end(word))))
        .select((search_term::term, search_term::product, search_term::weight))
        .load(db)?;
    Ok(Some(best(word, entries)))
}

/// Counting alone takes a small part of the time that reading takes.
fn is_common(db: &mut Db, word: &str) -> Done<bool> {
    let beyond: Option<String> = search_term::table
        .filter(search_term::term.ge(word).and(search_term::term.lt(end(word))))
        .select(search_term::product)
        .order((search_term::term, search_term::product))
        .offset(FEW)
        .limit(1)
        .first(db)
        .optional()?;
    Ok(beyond.is_some())
}

/// Those of some products that have a term that begins with `word`. Where very many stand side by side in the order of
/// their ids, the entries between them are read; otherwise each is looked up.
pub(super) fn having_among<'a>(
    db: &mut Db,
    word: &Word,
    products: impl Iterator<Item = &'a str>,
) -> Done<HashMap<String, i64>> {
    let products: HashSet<&str> = products.collect();
    let between = if products.len() < SIDE_BY_SIDE { None } else { entries_between(db, word, &products)? };
    let entries = match between {
        Some(mut entries) => {
            entries.retain(|(_, product, _)| products.contains(product.as_str()));
            entries
        }
        None => entries_of(db, &word.text, &products)?,
    };
    Ok(best(&word.text, entries))
}

/// What stands between the first and the last of some products; `None` where that is much more than they are, or where
/// many terms begin with the word.
fn entries_between(db: &mut Db, word: &Word, products: &HashSet<&str>) -> Done<Option<Vec<Entry>>> {
    let Some(terms) = word.few_terms(db)? else { return Ok(None) };
    let (Some(first), Some(last)) = (products.iter().min(), products.iter().max()) else { return Ok(None) };
    let (mut entries, most): (Vec<Entry>, usize) = (Vec::new(), products.len() * BETWEEN);
    for term in terms {
        let between = || search_term::term.eq(term).and(search_term::product.between(first, last));
        let beyond = search_term::table.filter(between()).select(search_term::product).order(search_term::product);
        let beyond: Option<String> = beyond.offset(count(most - entries.len())).first(db).optional()?;
        if beyond.is_some() {
            return Ok(None);
        }
        let columns = (search_term::term, search_term::product, search_term::weight);
        entries.extend(search_term::table.filter(between()).select(columns).load::<Entry>(db)?);
    }
    Ok(Some(entries))
}

/// Few products at a time: for many of them a planner reads every entry of the word there is.
fn entries_of(db: &mut Db, word: &str, products: &HashSet<&str>) -> Done<Vec<Entry>> {
    let products: Vec<&str> = products.iter().copied().collect();
    let mut entries = Vec::new();
    for few in products.chunks(ASKED_AT_ONCE) {
        let read: Vec<Entry> = search_term::table
            .filter(search_term::product.eq_any(few))
            .filter(search_term::term.ge(word).and(search_term::term.lt(end(word))))
            .select((search_term::term, search_term::product, search_term::weight))
            .load(db)?;
        entries.extend(read);
    }
    Ok(entries)
}

/// How far the newest products with a term that begins with `word` reach back at most: from there on there are as many as
/// are wanted, with one of its terms alone; `Some(None)` where no term has so many. `None` where many terms begin with it.
pub(super) fn reach_back(db: &mut Db, word: &Word, bounds: Bounds<'_>) -> Done<Option<Option<String>>> {
    let Some(terms) = word.few_terms(db)? else { return Ok(None) };
    let mut until: Option<String> = None;
    for term in terms {
        let last = latest_of(term, bounds).offset(count(bounds.most) - 1);
        until = until.max(diesel::RunQueryDsl::first(last, db).optional()?);
    }
    Ok(Some(until))
}

/// The newest products with a term that begins with `word`; `None` where many do.
pub(super) fn latest_having(db: &mut Db, word: &Word, bounds: Bounds<'_>) -> Done<Option<Latest>> {
    let Some(terms) = word.few_terms(db)? else { return Ok(None) };
    let mut products = Vec::new();
    for term in terms {
        let latest = latest_of(term, bounds).limit(count(bounds.most));
        products.extend(diesel::RunQueryDsl::load::<String>(latest, db)?);
    }
    Ok(Some(Latest::of(products, bounds.most)))
}

/// The products with a term, the newest first.
fn latest_of<'a>(term: &'a str, bounds: Bounds<'a>) -> search_term::BoxedQuery<'a, Backend, Text> {
    let here = search_term::product.lt(bounds.before).and(search_term::product.ge(bounds.from));
    let order = (search_term::term.desc(), search_term::product.desc());
    let of_term = search_term::table.filter(is(search_term::term, term)).filter(here).order(order);
    of_term.select(search_term::product).into_boxed()
}

/// The newest products, whatever terms they have.
pub(super) fn latest_of_all(db: &mut Db, bounds: Bounds<'_>) -> Done<Latest> {
    let products: Vec<String> = product::table
        .filter(product::id.lt(bounds.before).and(product::id.ge(bounds.from)))
        .order(product::id.desc())
        .select(product::id)
        .limit(count(bounds.most))
        .load(db)?;
    Ok(Latest::of(products, bounds.most))
}

/// The terms that begin with `word`, when they are few.
fn few_terms(db: &mut Db, word: &str) -> Done<Option<Vec<String>>> {
    let mut terms: Vec<String> = Vec::new();
    while let Some(term) = term_behind(db, word, terms.last())? {
        if terms.len() == FEW_TERMS {
            return Ok(None);
        }
        terms.push(term);
    }
    Ok(Some(terms))
}

/// The first term that begins with `word`, behind another one.
fn term_behind(db: &mut Db, word: &str, before: Option<&String>) -> Done<Option<String>> {
    let terms = search_term::table.filter(search_term::term.lt(end(word))).into_boxed();
    let terms = match before {
        Some(before) => terms.filter(search_term::term.gt(before)),
        None => terms.filter(search_term::term.ge(word)),
    };
    let terms = terms.select(search_term::term).order(search_term::term);
    Ok(diesel::RunQueryDsl::first(terms, db).optional()?)
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// The best match of each product; a whole word counts twice as much as the beginning of one.
fn best(word: &str, entries: Vec<Entry>) -> HashMap<String, i64> {
    let mut weights = HashMap::new();
    for (term, product, weight) in entries {
        let weight = if term == word { weight * 2 } else { weight };
        let best = weights.entry(product).or_default();
        *best = weight.max(*best);
    }
    weights
}
