//! Lists of products: filtered, sorted, and in pages that neither skip nor repeat a row.

mod place;
mod relevance;
mod scope;

use diesel::prelude::*;
use emporium_database::scan::{self, Counted, FEW, Scan};
use emporium_database::{Db, Failure};
use emporium_kernel::{Cursor, Limit, Page, Problem};
use emporium_shop_api::ProductId;

use self::place::{Key, numbered, titled};
use self::scope::{Products, Scope};
use super::search::Matches;
use super::{Product, Status, load};
use crate::ShopError;
use crate::error::Done;
use crate::schema::product;

pub(crate) use self::place::{Place, Sort};

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

impl Listing<'_> {
    /// In order, behind a place and no later than another, and within the prices that the filter gives.
    fn ordered<'q>(&self, query: Products<'q>, after: Option<&Place>, until: Option<&Place>) -> Products<'q> {
        let (start, end) = self.prices();
        let after = after.cloned().into_iter().chain(start).max_by(|a, b| self.sort.compare(a, b));
        let until = until.cloned().into_iter().chain(end).min_by(|a, b| self.sort.compare(a, b));
        let query = self.scope.by_fixed(query, self.sort);
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
            let is_behind = after.is_none_or(|after| self.sort.compare(place, after).is_gt());
            is_behind && until.is_none_or(|until| self.sort.compare(place, until).is_le())
        });
        rows.sort_unstable_by(|(a, _), (b, _)| self.sort.compare(a, b));
        rows.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }
}

impl Scan for Listing<'_> {
    type Row = Row;
    type Place = Place;
    type Error = Failure<ShopError>;

    fn asks(&self) -> bool {
        self.scope.asks(self.sort)
    }

    /// What is searched for is looked up word by word.
    fn most_in_vain(&self) -> i64 {
        if self.scope.search.is_some() { FEW } else { i64::MAX }
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
        if let Some(matches) = &self.scope.matches {
            let found = i64::try_from(matches.weights.len()).unwrap_or(i64::MAX);
            return Ok(found >= rows && self.count(db)? >= rows);
        }
        let query = self.ordered(self.scope.query(self.sort), None, until);
        let last: Option<String> = query.select(product::id).offset(rows - 1).first(db).optional()?;
        Ok(last.is_some())
    }

    fn count(&self, db: &mut Db) -> Done<i64> {
        Ok(self.scope.counted(self.sort).count().get_result(db)?)
    }
}
