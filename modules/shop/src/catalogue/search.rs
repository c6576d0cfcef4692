//! Search: which products have every word of a query, each as the beginning of one of their terms.
//!
//! A rare word is read whole, and narrows the search before others. Where all words are common, whoever asks looks among
//! products that something else has narrowed ([`Search::among`]), among the newest of those that may match
//! ([`Search::latest`]), or looks through products in an order of their own and asks of each whether it matches
//! ([`Search::condition`]).

mod entries;

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::Bool;
use emporium_database::Db;

use self::entries::{Word, having, having_among, latest_having, latest_of_all, reach_back};
use super::terms::{whole, words};
use crate::error::Done;
use crate::schema::product;

pub(crate) use self::entries::{Bounds, Latest};

type Backend = <Db as diesel::Connection>::Backend;
type Condition = Box<dyn BoxableExpression<product::table, Backend, SqlType = Bool>>;

/// Words of a query that count.
const MOST_WORDS: usize = 8;

/// What is searched for.
#[derive(Debug)]
pub(crate) struct Search {
    words: Vec<Word>,
    /// The whole query, when it can be the beginning of a SKU that is not a word.
    code: Option<Word>,
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
        Some(Self { words: words.into_iter().map(Word::new).collect(), code: code.map(Word::new) })
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

    /// The newest products that may match: those that have the word of which the newest reach back the farthest, for it is
    /// the rarest there; of all products, where many terms begin with each word or with the query as a whole.
    pub fn latest(&self, db: &mut Db, bounds: Bounds<'_>) -> Done<Latest> {
        let mut rarest = None;
        for word in &self.words {
            let reaches = reach_back(db, word, bounds)?.map(|until| (until, word));
            rarest = rarest.into_iter().chain(reaches).min_by(|(a, _), (b, _)| a.cmp(b));
        }
        let found = match rarest {
            Some((_, word)) => latest_having(db, word, bounds)?,
            None if self.words.is_empty() => Some(Latest::default()),
            None => None,
        };
        let Some(found) = found else { return latest_of_all(db, bounds) };
        let Some(code) = &self.code else { return Ok(found) };
        match latest_having(db, code, bounds)? {
            Some(coded) => Ok(found.and(coded)),
            None => latest_of_all(db, bounds),
        }
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
        let words = self.words.iter().map(Word::condition);
        let words = words.reduce(|all, next| -> Condition { Box::new(all.and(next)) });
        let code = self.code.as_ref().map(Word::condition);
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
