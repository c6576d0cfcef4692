//! Lists of products: filtered, sorted, and in pages that neither skip nor repeat a row.

mod members;
mod place;
mod relevance;
mod scope;

use diesel::prelude::*;
use emporium_database::scan::{self, Counted, STRETCHES, Scan};
use emporium_database::{Db, Failure, pair};
use emporium_kernel::{Cursor, Limit, Page, Problem};
use emporium_shop_api::ProductId;

use self::members::Members;
use self::place::{Key, Range, numbered, places, titled};
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

/// A page of products, completed.
pub(crate) fn page(db: &mut Db, filter: &Filter, part: &Part) -> Done<Page<Product>> {
    let Some(scope) = Scope::of(db, filter, part.sort)? else {
        return Ok(Page { data: Vec::new(), next_cursor: None, total: part.total.then_some(0) });
    };
    let members = Members::of(&scope, part.sort);
    let page = match (part.sort, &members) {
        (Sort::Relevance, _) => relevance::page(db, &scope, part)?,
        (_, Some(members)) => ids(db, members, part)?,
        (sort, None) => ids(db, &Listing { scope: &scope, sort }, part)?,
    };
    let total = match &members {
        _ if !part.total => None,
        Some(members) => members.total(db)?,
        // Any order will do: that of prices, for there the index is entered at those that are asked for.
        None => scan::total(db, &Listing { scope: &scope, sort: Sort::Price })?,
    };
    let ids: Vec<ProductId> = page.data.into_iter().map(ProductId::stored).collect();
    let mut data = load::by_ids(db, &ids)?;
    // Nobody is to see a draft, whatever a copy of its status says.
    data.retain(|product| filter.status.is_none_or(|status| product.status == status));
    Ok(Page { data, next_cursor: page.next_cursor, total })
}

/// A page of a list in the order of a column.
fn ids<L>(db: &mut Db, list: &L, part: &Part) -> Done<Page<String>>
where
    L: Scan<Row = Place, Place = Place, Error = Failure<ShopError>>,
{
    let after = part.after.clone().map(|(key, id)| (part.sort, key, id));
    Ok(scan::page(db, list, part.limit, after)?.map(|(_, _, id)| id))
}

/// Where each product is asked for words, an index of words is looked into for each of them.
const ASKED_FOR_WORDS: &[i64] = &[100, 200];

/// Products that are read with one statement.
const READ_AT_ONCE: usize = 500;

/// Products in the order of a column.
struct Listing<'a> {
    scope: &'a Scope<'a>,
    sort: Sort,
}

impl Listing<'_> {
    /// Those of a query that are in a range, and within the prices that the filter gives.
    fn places(&self, db: &mut Db, query: Products<'_>, range: Range<'_>) -> Done<Vec<Place>> {
        let (after, until) = self.scope.bounds(self.sort, range);
        let range = Range { after: after.as_ref(), until: until.as_ref(), ..range };
        Ok(places!(db, self.scope.by_fixed(query, self.sort), product::id, self.sort, range))
    }

    /// What was found, read by its ids, some at a time, and sorted here: for an order a planner may take the index that is in
    /// it, and read all there is.
    fn found(&self, db: &mut Db, matches: &Matches, range: Range<'_>) -> Done<Vec<Place>> {
        let ids: Vec<&String> = matches.weights.keys().collect();
        let mut found: Vec<Place> = Vec::new();
        for some in ids.chunks(READ_AT_ONCE) {
            let columns = (product::id, product::title, product::price_from, product::created_at);
            let read = self.scope.among(some.iter().copied()).select(columns).load(db)?;
            found.extend(read.into_iter().map(|(id, title, price_from, created_at)| {
                let key = match self.sort {
                    Sort::Title | Sort::TitleDown => Key::Text(title),
                    Sort::Price | Sort::PriceDown => Key::Number(price_from),
                    Sort::Relevance | Sort::Created | Sort::CreatedDown => Key::Number(created_at),
                };
                (self.sort, key, id)
            }));
        }
        found.retain(|place| {
            let is_behind = range.after.is_none_or(|after| self.sort.compare(place, after).is_gt());
            is_behind && range.until.is_none_or(|until| self.sort.compare(place, until).is_le())
        });
        found.sort_unstable_by(|a, b| self.sort.compare(a, b));
        found.truncate(usize::try_from(range.most).unwrap_or(usize::MAX));
        Ok(found)
    }
}

impl Scan for Listing<'_> {
    type Row = Place;
    type Place = Place;
    type Error = Failure<ShopError>;

    fn asks(&self) -> bool {
        self.scope.asks(self.sort)
    }

    fn stretches(&self) -> &'static [i64] {
        if self.scope.search.is_some() { ASKED_FOR_WORDS } else { STRETCHES }
    }

    fn place(&self, row: &Place) -> Place {
        row.clone()
    }

    fn end(&self, db: &mut Db, after: Option<&Place>, rows: i64) -> Done<Option<Place>> {
        Ok(self.places(db, self.scope.index(), Range { after, until: None, skip: rows - 1, most: 1 })?.pop())
    }

    fn rows(&self, db: &mut Db, after: Option<&Place>, until: Option<&Place>, most: i64) -> Done<Vec<Place>> {
        let range = Range { after, until, skip: 0, most };
        match &self.scope.matches {
            Some(matches) => self.found(db, matches, range),
            None => self.places(db, self.scope.query(self.sort), range),
        }
    }
}

impl Counted for Listing<'_> {
    fn reaches(&self, db: &mut Db, rows: i64) -> Done<bool> {
        if self.scope.matches.is_some() {
            return Ok(false);
        }
        let last = Range { after: None, until: None, skip: rows - 1, most: 1 };
        Ok(!self.places(db, self.scope.query(self.sort), last)?.is_empty())
    }

    fn count(&self, db: &mut Db) -> Done<i64> {
        Ok(self.scope.counted(self.sort).count().get_result(db)?)
    }
}
