//! The orders that a list of products may have, and places in them.

use std::cmp::Ordering;

use emporium_kernel::{FieldError, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The order of a list of products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Sort {
    /// Best match first; newest first when nothing is searched for.
    #[serde(rename = "relevance")]
    Relevance,
    /// Oldest first.
    #[serde(rename = "created_at")]
    Created,
    /// Newest first.
    #[serde(rename = "-created_at")]
    CreatedDown,
    /// By title.
    #[serde(rename = "title")]
    Title,
    /// By title, backwards.
    #[serde(rename = "-title")]
    TitleDown,
    /// Cheapest first.
    #[serde(rename = "price")]
    Price,
    /// Dearest first.
    #[serde(rename = "-price")]
    PriceDown,
}

/// What a row is sorted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Key {
    /// A price, a time or a weight.
    Number(i64),
    /// A title.
    Text(String),
    /// A weight among the products that are ranked together: the id before which they are and, unless these are the oldest,
    /// the first of them.
    Ranked(i64, String, Option<String>),
    /// The id before which those are that are ranked together next; with a name, for a text alone would be a title.
    Before {
        /// The id.
        before: String,
    },
}

/// Where a page begins: the order it belongs to, and key and id of the last row that was shown or looked at.
pub(crate) type Place = (Sort, Key, String);

impl Sort {
    fn is_textual(self) -> bool {
        matches!(self, Sort::Title | Sort::TitleDown)
    }

    pub(super) fn is_by_price(self) -> bool {
        matches!(self, Sort::Price | Sort::PriceDown)
    }

    pub(super) fn is_falling(self) -> bool {
        matches!(self, Sort::Relevance | Sort::CreatedDown | Sort::TitleDown | Sort::PriceDown)
    }

    /// A place in this order; that of another is refused.
    pub(super) fn place(self, (sort, key, id): Place) -> Result<(Key, String), Problem> {
        let fits = sort == self
            && match key {
                Key::Number(_) => !self.is_textual(),
                Key::Text(_) => self.is_textual(),
                Key::Ranked(..) | Key::Before { .. } => self == Sort::Relevance,
            };
        if fits { Ok((key, id)) } else { Err(foreign_cursor()) }
    }

    /// Which of two places in this order comes first.
    pub(super) fn compare(self, (_, a_key, a_id): &Place, (_, b_key, b_id): &Place) -> Ordering {
        let ordering = (a_key, a_id).cmp(&(b_key, b_id));
        if self.is_falling() { ordering.reverse() } else { ordering }
    }
}

fn foreign_cursor() -> Problem {
    let message = "send next_cursor as it was given, with the same sort".to_owned();
    let mut problem =
        Problem::invalid(vec![FieldError { field: "after".to_owned(), code: "invalid_cursor".to_owned(), message }]);
    (problem.status, problem.code) = (400, "invalid_query".to_owned());
    problem
}

/// Number and id of a place that has them.
pub(super) fn numbered(place: Option<&Place>) -> Option<(i64, String)> {
    place.and_then(|(_, key, id)| if let Key::Number(number) = key { Some((*number, id.clone())) } else { None })
}

/// Title and id of a place that has them.
pub(super) fn titled(place: Option<&Place>) -> Option<(String, String)> {
    place.and_then(|(_, key, id)| if let Key::Text(title) = key { Some((title.clone(), id.clone())) } else { None })
}

/// Rows of an index: those behind one place and no later than another, so many of them after so many others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range<'a> {
    pub after: Option<&'a Place>,
    pub until: Option<&'a Place>,
    pub skip: i64,
    pub most: i64,
}

/// Reads where the rows of a query are, those of a [`Range`] in the order of a list. The table has the columns of all orders,
/// and the product's id in the column that is named.
macro_rules! places {
    ($db:expr, $query:expr, $table:ident :: $id:ident, $sort:expr, $range:expr) => {
        match $sort {
            Sort::Title | Sort::TitleDown => {
                $crate::catalogue::listing::place::places!(
                    @ $db, $query, $table::title, $table::$id, $sort, $range, titled, Key::Text
                )
            }
            Sort::Price | Sort::PriceDown => {
                $crate::catalogue::listing::place::places!(
                    @ $db, $query, $table::price_from, $table::$id, $sort, $range, numbered, Key::Number
                )
            }
            Sort::Relevance | Sort::Created | Sort::CreatedDown => {
                $crate::catalogue::listing::place::places!(
                    @ $db, $query, $table::created_at, $table::$id, $sort, $range, numbered, Key::Number
                )
            }
        }
    };
    (@ $db:expr, $query:expr, $key:expr, $id:expr, $sort:expr, $range:expr, $parts:expr, $kind:expr) => {{
        let (mut query, sort, range): (_, Sort, Range<'_>) = ($query, $sort, $range);
        let (after, until) = ($parts(range.after), $parts(range.until));
        if sort.is_falling() {
            query = query.then_order_by(($key.desc(), $id.desc()));
            if let Some(after) = after {
                query = query.filter(pair($key, $id).lt(after));
            }
            if let Some(until) = until {
                query = query.filter(pair($key, $id).ge(until));
            }
        } else {
            query = query.then_order_by(($key.asc(), $id.asc()));
            if let Some(after) = after {
                query = query.filter(pair($key, $id).gt(after));
            }
            if let Some(until) = until {
                query = query.filter(pair($key, $id).le(until));
            }
        }
        let rows = query.select(($key, $id)).offset(range.skip).limit(range.most).load($db)?;
        rows.into_iter().map(|(key, id)| (sort, $kind(key), id)).collect::<Vec<Place>>()
    }};
}

pub(super) use places;
