//! Lists of products: filtered, sorted, and in pages that neither skip nor repeat a row.

mod relevance;
mod scope;

use std::cmp::Ordering;

use diesel::prelude::*;
use emporium_database::scan::{self, Counted, Scan};
use emporium_database::{Db, Failure};
use emporium_kernel::{Cursor, FieldError, Limit, Page, Problem};
use emporium_shop_api::ProductId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::scope::{Products, Scope};
use super::search::Matches;
use super::{Product, Status, load};
use crate::ShopError;
use crate::error::Done;
use crate::schema::product;

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
    /// A weight among the products that are ranked together: where they begin and, unless it is the end, where they end.
    Ranked(i64, Moment, Option<Moment>),
    /// Where the products begin that are ranked together next.
    Behind(Moment),
}

/// A place among products by age: a time of creation and an id.
pub(crate) type Moment = (i64, String);

/// Where a page begins: the order it belongs to, and key and id of the last row that was shown or looked at.
pub(crate) type Place = (Sort, Key, String);

/// Which products are listed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Words to find.
    pub q: Option<String>,
    /// Whether they are sold.
    pub status: Option<Status>,
    /// Those of one supplier.
    pub supplier: Option<String>,
    /// Those of the caller, who may see no others.
    pub own: Option<String>,
    /// Id or slug of a category; its descendants count.
    pub category: Option<String>,
    /// In minor units.
    pub min_price: Option<i64>,
    /// In minor units.
    pub max_price: Option<i64>,
}

/// Which part of a list is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    sort: Sort,
    limit: Limit,
    after: Option<(Key, String)>,
    total: bool,
}

impl Part {
    /// Checks that the cursor belongs to the order.
    pub fn new(
        sort: Option<Sort>,
        searching: bool,
        limit: Limit,
        after: Option<Cursor<Place>>,
        total: bool,
    ) -> Result<Self, Problem> {
        let sort = match sort {
            None | Some(Sort::Relevance) if searching => Sort::Relevance,
            None | Some(Sort::Relevance) => Sort::CreatedDown,
            Some(sort) => sort,
        };
        let after = after.map(|cursor| sort.place(cursor.0)).transpose()?;
        Ok(Self { sort, limit, after, total })
    }
}

impl Sort {
    fn is_textual(self) -> bool {
        matches!(self, Sort::Title | Sort::TitleDown)
    }

    fn is_by_price(self) -> bool {
        matches!(self, Sort::Price | Sort::PriceDown)
    }

    fn is_falling(self) -> bool {
        matches!(self, Sort::Relevance | Sort::CreatedDown | Sort::TitleDown | Sort::PriceDown)
    }

    fn place(self, (sort, key, id): Place) -> Result<(Key, String), Problem> {
        let fits = sort == self
            && match key {
                Key::Number(_) => !self.is_textual(),
                Key::Text(_) => self.is_textual(),
                Key::Ranked(..) | Key::Behind(_) => self == Sort::Relevance,
            };
        if fits { Ok((key, id)) } else { Err(foreign_cursor()) }
    }
}

fn foreign_cursor() -> Problem {
    let message = "send next_cursor as it was given, with the same sort".to_owned();
    let mut problem =
        Problem::invalid(vec![FieldError { field: "after".to_owned(), code: "invalid_cursor".to_owned(), message }]);
    (problem.status, problem.code) = (400, "invalid_query".to_owned());
    problem
}

/// A row of a list before it is completed: its id and what it is sorted by.
#[derive(Queryable)]
struct Row {
    id: String,
    title: String,
    price_from: i64,
    created_at: i64,
}

type Columns = (product::id, product::title, product::price_from, product::created_at);

const COLUMNS: Columns = (product::id, product::title, product::price_from, product::created_at);

/// A page of products, completed.
pub(crate) fn page(db: &mut Db, filter: &Filter, part: &Part) -> Done<Page<Product>> {
    let Some(scope) = Scope::of(db, filter, part.sort)? else {
        return Ok(Page { data: Vec::new(), next_cursor: None, total: part.total.then_some(0) });
    };
    let mut page = match part.sort {
        Sort::Relevance => relevance::page(db, &scope, part)?,
        sort => {
            let after = part.after.clone().map(|(key, id)| (sort, key, id));
            scan::page(db, &Listing { scope: &scope, sort }, part.limit, after)?.map(|row| row.id)
        }
    };
    if part.total {
        page.total = scan::total(db, &Listing { scope: &scope, sort: part.sort })?;
    }
    let ids: Vec<ProductId> = page.data.into_iter().map(ProductId::stored).collect();
    Ok(Page { data: load::by_ids(db, &ids)?, next_cursor: page.next_cursor, total: page.total })
}

/// Products that are read with one statement.
const READ_AT_ONCE: usize = 500;

/// Products in the order of a column.
struct Listing<'a> {
    scope: &'a Scope<'a>,
    sort: Sort,
}

/// Puts a query into the order of a column and the id, and bounds it: behind a place, and no later than another. The first
/// comparison with a place alone lets the index be entered there.
macro_rules! ordered {
    ($query:expr, $column:expr, up, $after:expr, $until:expr) => {{
        let mut query = $query.then_order_by(($column.asc(), product::id.asc()));
        if let Some((key, id)) = $after {
            query = query.filter($column.ge(key.clone()).and($column.gt(key).or(product::id.gt(id))));
        }
        if let Some((key, id)) = $until {
            query = query.filter($column.le(key.clone()).and($column.lt(key).or(product::id.le(id))));
        }
        query
    }};
    ($query:expr, $column:expr, down, $after:expr, $until:expr) => {{
        let mut query = $query.then_order_by(($column.desc(), product::id.desc()));
        if let Some((key, id)) = $after {
            query = query.filter($column.le(key.clone()).and($column.lt(key).or(product::id.lt(id))));
        }
        if let Some((key, id)) = $until {
            query = query.filter($column.ge(key.clone()).and($column.gt(key).or(product::id.ge(id))));
        }
        query
    }};
}

fn numbered(place: Option<Place>) -> Option<(i64, String)> {
    place.and_then(|(_, key, id)| if let Key::Number(number) = key { Some((number, id)) } else { None })
}

fn titled(place: Option<Place>) -> Option<(String, String)> {
    place.and_then(|(_, key, id)| if let Key::Text(title) = key { Some((title, id)) } else { None })
}

impl Listing<'_> {
    /// In order, behind a place and no later than another, and within the prices that the filter gives.
    fn ordered<'q>(&self, query: Products<'q>, after: Option<&Place>, until: Option<&Place>) -> Products<'q> {
        let (start, end) = self.prices();
        let after = after.cloned().into_iter().chain(start).max_by(|a, b| self.compare(a, b));
        let until = until.cloned().into_iter().chain(end).min_by(|a, b| self.compare(a, b));
        let query = self.scope.ordered(query, self.sort);
        match self.sort {
            Sort::Relevance | Sort::CreatedDown => {
                ordered!(query, product::created_at, down, numbered(after), numbered(until))
            }
            Sort::Created => ordered!(query, product::created_at, up, numbered(after), numbered(until)),
            Sort::Title => ordered!(query, product::title, up, titled(after), titled(until)),
            Sort::TitleDown => ordered!(query, product::title, down, titled(after), titled(until)),
            Sort::Price => ordered!(query, product::price_from, up, numbered(after), numbered(until)),
            Sort::PriceDown => ordered!(query, product::price_from, down, numbered(after), numbered(until)),
        }
    }

    /// The places before the first and behind the last product of the prices that the filter gives; `~` sorts after all that
    /// an id has.
    fn prices(&self) -> (Option<Place>, Option<Place>) {
        let (lowest, highest) = self.scope.prices(self.sort);
        let low = lowest.map(|price| (self.sort, Key::Number(price), String::new()));
        let high = highest.map(|price| (self.sort, Key::Number(price), "~".to_owned()));
        if self.sort.is_falling() { (high, low) } else { (low, high) }
    }

    /// What was found, read by its ids, some at a time, and sorted here: for an order a planner may take the index that is in
    /// it, and read all there is.
    fn found(
        &self,
        db: &mut Db,
        matches: &Matches,
        after: Option<&Place>,
        until: Option<&Place>,
        most: i64,
    ) -> Done<Vec<Row>> {
        let ids: Vec<&String> = matches.weights.keys().collect();
        let mut rows: Vec<(Place, Row)> = Vec::new();
        for some in ids.chunks(READ_AT_ONCE) {
            let read: Vec<Row> = self.scope.among(some.iter().copied()).select(COLUMNS).load(db)?;
            rows.extend(read.into_iter().map(|row| (self.place(&row), row)));
        }
        rows.retain(|(place, _)| {
            let is_behind = after.is_none_or(|after| self.compare(place, after).is_gt());
            is_behind && until.is_none_or(|until| self.compare(place, until).is_le())
        });
        rows.sort_unstable_by(|(a, _), (b, _)| self.compare(a, b));
        rows.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// Which of two places comes first.
    fn compare(&self, (_, a_key, a_id): &Place, (_, b_key, b_id): &Place) -> Ordering {
        let ordering = (a_key, a_id).cmp(&(b_key, b_id));
        if self.sort.is_falling() { ordering.reverse() } else { ordering }
    }
}

impl Scan for Listing<'_> {
    type Row = Row;
    type Place = Place;
    type Error = Failure<ShopError>;

    fn asks(&self) -> bool {
        self.scope.asks(self.sort)
    }

    fn place(&self, row: &Row) -> Place {
        let key = match self.sort {
            Sort::Title | Sort::TitleDown => Key::Text(row.title.clone()),
            Sort::Price | Sort::PriceDown => Key::Number(row.price_from),
            Sort::Relevance | Sort::Created | Sort::CreatedDown => Key::Number(row.created_at),
        };
        (self.sort, key, row.id.clone())
    }

    fn end(&self, db: &mut Db, after: Option<&Place>, rows: i64) -> Done<Option<Place>> {
        let query = self.ordered(self.scope.index(), after, None);
        let row: Option<Row> = query.select(COLUMNS).offset(rows - 1).first(db).optional()?;
        Ok(row.map(|row| self.place(&row)))
    }

    fn rows(&self, db: &mut Db, after: Option<&Place>, until: Option<&Place>, most: i64) -> Done<Vec<Row>> {
        if let Some(matches) = &self.scope.matches {
            return self.found(db, matches, after, until, most);
        }
        let query = self.ordered(self.scope.query(self.sort), after, until);
        Ok(query.limit(most).select(COLUMNS).load(db)?)
    }
}

impl Counted for Listing<'_> {
    fn reaches(&self, db: &mut Db, until: Option<&Place>, rows: i64) -> Done<bool> {
        if self.scope.matches.is_some() {
            return Ok(self.count(db)? >= rows);
        }
        let query = self.ordered(self.scope.query(self.sort), None, until);
        let last: Option<String> = query.select(product::id).offset(rows - 1).first(db).optional()?;
        Ok(last.is_some())
    }

    fn count(&self, db: &mut Db) -> Done<i64> {
        Ok(self.scope.counted(self.sort).count().get_result(db)?)
    }
}
