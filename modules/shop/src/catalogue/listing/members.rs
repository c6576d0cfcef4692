//! Lists of categories: their members, each category's with each status in the order of an index of its own, merged.

use std::collections::HashSet;

use diesel::prelude::*;
use emporium_database::scan::Scan;
use emporium_database::{Db, Failure, is, pair};
use emporium_kernel::MOST_COUNTED;

use super::place::{Key, Place, Range, Sort, numbered, places, titled};
use super::scope::Scope;
use crate::ShopError;
use crate::catalogue::Status;
use crate::error::Done;
use crate::schema::product_category;

/// So many members of several categories are counted one by one, for a product may be in more than one of them.
const COUNTED_APART: i64 = 1_500;

type Query<'q> = product_category::BoxedQuery<'q, <Db as diesel::Connection>::Backend>;

/// The members of some categories in the order of a column.
pub(super) struct Members<'a> {
    scope: &'a Scope<'a>,
    sort: Sort,
    /// Each category with each status.
    shelves: Vec<Shelf<'a>>,
}

/// A category and a status.
pub(super) type Shelf<'a> = (&'a str, Status);

impl<'a> Members<'a> {
    /// `None` where a list is not of categories alone, or of too many.
    pub fn of(scope: &'a Scope<'a>, sort: Sort) -> Option<Self> {
        Some(Self { scope, sort, shelves: scope.shelves()? })
    }

    /// How many products there are, counted to [`MOST_COUNTED`]; `None` where those of several categories are too many to be
    /// told apart.
    pub fn total(&self, db: &mut Db) -> Done<Option<i64>> {
        let first = self.shelves.first().map(|(category, _)| category);
        if self.shelves.iter().all(|(category, _)| Some(category) == first) {
            let mut total = 0;
            for shelf in &self.shelves {
                total += self.count(db, *shelf)?;
            }
            return Ok(Some(total.min(MOST_COUNTED)));
        }
        let (mut products, mut room) = (HashSet::<String>::new(), COUNTED_APART + 1);
        for shelf in &self.shelves {
            let some: Vec<String> = self.priced(*shelf).select(product_category::product).limit(room).load(db)?;
            room -= i64::try_from(some.len()).unwrap_or(i64::MAX);
            products.extend(some);
            if room <= 0 {
                return Ok(None);
            }
        }
        Ok(i64::try_from(products.len()).ok())
    }

    fn count(&self, db: &mut Db, shelf: Shelf<'_>) -> Done<i64> {
        let last = self.priced(shelf).select(product_category::product).offset(MOST_COUNTED - 1).limit(1);
        if last.first::<String>(db).optional()?.is_some() {
            return Ok(MOST_COUNTED);
        }
        Ok(self.priced(shelf).count().get_result(db)?)
    }

    /// What is on a shelf and has a price that is asked for.
    fn priced(&self, (category, status): Shelf<'_>) -> Query<'static> {
        let (lowest, highest) = self.scope.prices();
        let mut query = product_category::table
            .filter(is(product_category::category, category.to_owned()))
            .filter(is(product_category::status, status.name()))
            .into_boxed();
        if let Some(lowest) = lowest {
            query = query.filter(product_category::price_from.ge(lowest));
        }
        if let Some(highest) = highest {
            query = query.filter(product_category::price_from.le(highest));
        }
        query
    }

    /// Those of a shelf that are in a range; each is asked for its price where the order is another one.
    fn places(&self, db: &mut Db, (category, status): Shelf<'_>, asks: bool, range: Range<'_>) -> Done<Vec<Place>> {
        let mut query: Query<'_> = product_category::table
            .filter(is(product_category::category, category))
            .filter(is(product_category::status, status.name()))
            .into_boxed();
        if asks && let (Some(lowest), _) = self.scope.prices() {
            query = query.filter((product_category::price_from + 0).ge(lowest));
        }
        if asks && let (_, Some(highest)) = self.scope.prices() {
            query = query.filter((product_category::price_from + 0).le(highest));
        }
        query = match self.sort.is_falling() {
            true => query.order((product_category::category.desc(), product_category::status.desc())),
            false => query.order((product_category::category.asc(), product_category::status.asc())),
        };
        let (after, until) = self.scope.bounds(self.sort, range);
        let range = Range { after: after.as_ref(), until: until.as_ref(), ..range };
        Ok(places!(db, query, product_category::product, self.sort, range))
    }
}

impl Scan for Members<'_> {
    type Row = Place;
    type Place = Place;
    type Error = Failure<ShopError>;

    fn asks(&self) -> bool {
        self.scope.asks_price(self.sort)
    }

    fn place(&self, row: &Place) -> Place {
        row.clone()
    }

    /// Of each shelf that goes on as many rows as make so many together: where the first of them ends, none has given more.
    fn end(&self, db: &mut Db, after: Option<&Place>, rows: i64) -> Done<Option<Place>> {
        let mut going_on: Vec<Shelf<'_>> = Vec::new();
        for shelf in &self.shelves {
            let next = Range { after, until: None, skip: 0, most: 1 };
            if !self.places(db, *shelf, false, next)?.is_empty() {
                going_on.push(*shelf);
            }
        }
        let each = rows / i64::try_from(going_on.len().max(1)).unwrap_or(i64::MAX);
        let mut first: Option<Place> = None;
        for shelf in going_on {
            let range = Range { after, until: None, skip: each - 1, most: 1 };
            let end = self.places(db, shelf, false, range)?;
            first = first.into_iter().chain(end).min_by(|a, b| self.sort.compare(a, b));
        }
        Ok(first)
    }

    fn rows(&self, db: &mut Db, after: Option<&Place>, until: Option<&Place>, most: i64) -> Done<Vec<Place>> {
        let mut rows: Vec<Place> = Vec::new();
        for shelf in &self.shelves {
            rows.extend(self.places(db, *shelf, self.asks(), Range { after, until, skip: 0, most })?);
        }
        rows.sort_unstable_by(|a, b| self.sort.compare(a, b));
        // What is in several categories was read of each.
        rows.dedup();
        rows.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(rows)
    }
}
