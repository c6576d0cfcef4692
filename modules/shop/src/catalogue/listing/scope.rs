//! What a filter lets through, as a query that reads little of what it does not.
//!
//! Where some part of a filter leaves few products, these are read by their ids and asked for the rest. Otherwise an index
//! in the order of the list is looked through, and each product is asked.

use std::slice;

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use emporium_database::scan::FEW;
use emporium_database::{Db, is};

use super::members::Shelf;
use super::place::{Key, Place, Range};
use super::{Filter, Sort};
use crate::catalogue::search::{Matches, Search};
use crate::catalogue::{Status, category};
use crate::error::Done;
use crate::schema::{product, product_category};

type Backend = <Db as diesel::Connection>::Backend;
pub(super) type Products<'a> = product::BoxedQuery<'a, Backend>;

/// Categories with each status whose members are read side by side, at most.
const MOST_SHELVES: usize = 16;

/// A filter whose words and category were looked up.
pub(super) struct Scope<'a> {
    filter: &'a Filter,
    categories: Option<Vec<String>>,
    /// What was found, or what few products some part of the filter leaves.
    pub(super) matches: Option<Matches>,
    /// What each product is asked, where too many were found.
    pub(super) search: Option<Search>,
}

impl<'a> Scope<'a> {
    /// `None` when nothing can match.
    pub(super) fn of(db: &mut Db, filter: &'a Filter, sort: Sort) -> Done<Option<Self>> {
        if let (Some(own), Some(supplier)) = (&filter.own, &filter.supplier)
            && own != supplier
        {
            return Ok(None);
        }
        let categories = filter.category.as_deref().map(|key| category::with_descendants(db, key)).transpose()?;
        if categories.as_ref().is_some_and(Vec::is_empty) {
            return Ok(None);
        }
        let mut scope = Self { filter, categories, matches: None, search: None };
        match filter.q.as_deref().and_then(Search::read) {
            Some(search) => scope.find(db, search, sort)?,
            None => scope.matches = scope.candidates(db, sort)?.map(Matches::unweighed),
        }
        let nothing = scope.matches.as_ref().is_some_and(|matches| matches.weights.is_empty());
        Ok((!nothing).then_some(scope))
    }

    /// Finds what is searched for; where that is too much, each product is asked.
    fn find(&mut self, db: &mut Db, search: Search, sort: Sort) -> Done<()> {
        self.matches = search.matching(db)?;
        if self.matches.is_some() {
            return Ok(());
        }
        self.search = Some(search);
        if let Some(few) = self.candidates(db, sort)?
            && let Some(search) = self.search.take()
        {
            self.matches = Some(search.among(db, few)?);
        }
        Ok(())
    }

    /// The products that one part of the filter lets through, when these are at most [`FEW`]; the rest of it still applies.
    fn candidates(&self, db: &mut Db, sort: Sort) -> Done<Option<Vec<String>>> {
        if let Some(categories) = self.categories.as_ref().filter(|_| self.shelves().is_none())
            && let Some(members) = members(db, categories)?
        {
            return Ok(Some(members));
        }
        if let Some(supplier) = self.supplier()
            && let Some(ids) = few(db, || product::table.filter(product::supplier.eq(supplier)).into_boxed())?
        {
            return Ok(Some(ids));
        }
        // A list by price enters the index at the price. Without a price nothing but the status is left: few products of
        // that are looked through for one page, and only to be ranked together they have to be known.
        let by_price = sort.is_by_price() && self.filter.q.is_none();
        let is_ranked = self.filter.q.is_some() && sort == Sort::Relevance;
        if by_price || !(self.has_price() || is_ranked) {
            return Ok(None);
        }
        let of_status = || match self.filter.status {
            Some(status) => {
                product::table.filter(is(product::status, status.name())).order(product::status).into_boxed()
            }
            None => product::table.into_boxed(),
        };
        // For more of them than that MariaDB would rather sort all there are.
        few(db, || self.within_prices(of_status()).then_order_by(product::price_from))
    }

    /// The categories, each with each status, whose members are what the filter leaves but for prices; `None` where it asks for
    /// more, or where these are too many.
    pub(super) fn shelves(&self) -> Option<Vec<Shelf<'_>>> {
        let categories = self.categories.as_ref()?;
        let statuses = self.filter.status.as_ref().map_or(&Status::ALL[..], slice::from_ref);
        let asks_more = self.supplier().is_some() || self.search.is_some() || self.matches.is_some();
        let fits = !asks_more && categories.len() * statuses.len() <= MOST_SHELVES;
        let of_each = |category| statuses.iter().map(move |status| (String::as_str(category), *status));
        fits.then(|| categories.iter().flat_map(of_each).collect())
    }

    /// Whether each product is asked for its price, for an index in this order does not answer it.
    pub(super) fn asks_price(&self, sort: Sort) -> bool {
        self.has_price() && !sort.is_by_price()
    }

    /// Whether very many products may be asked for each that is let through: they are asked what the index for this order
    /// does not answer.
    pub(super) fn asks(&self, sort: Sort) -> bool {
        let asks_price = self.asks_price(sort);
        let asks_status = self.supplier().is_some() && self.filter.status.is_some();
        let asks = asks_price || asks_status || self.search.is_some() || self.categories.is_some();
        self.matches.is_none() && asks
    }

    /// The lowest and the highest price.
    pub(super) fn prices(&self) -> (Option<i64>, Option<i64>) {
        (self.filter.min_price, self.filter.max_price)
    }

    /// Where a range begins and ends: within the prices, where the index for this order is entered there. `~` sorts after all
    /// that an id has.
    pub(super) fn bounds(&self, sort: Sort, range: Range<'_>) -> (Option<Place>, Option<Place>) {
        let (after, until) = (range.after.cloned(), range.until.cloned());
        if !self.enters_at_price(sort) {
            return (after, until);
        }
        let low = self.filter.min_price.map(|price| (sort, Key::Number(price), String::new()));
        let high = self.filter.max_price.map(|price| (sort, Key::Number(price), "~".to_owned()));
        let (start, end) = if sort.is_falling() { (high, low) } else { (low, high) };
        (
            after.into_iter().chain(start).max_by(|a, b| sort.compare(a, b)),
            until.into_iter().chain(end).min_by(|a, b| sort.compare(a, b)),
        )
    }

    /// The index that is looked through: that of a supplier or of a status, for there are such in every order. Of a supplier's
    /// products it leads to no others: a cursor tells where it ends.
    pub(super) fn index(&self) -> Products<'_> {
        let query = product::table.into_boxed();
        match (self.supplier(), self.filter.status) {
            (Some(supplier), _) => query.filter(is(product::supplier, supplier)),
            (None, Some(status)) => query.filter(is(product::status, status.name())),
            (None, None) => query,
        }
    }

    /// Begins the order of a query with the column that the index begins with, which has one value.
    pub(super) fn by_fixed<'q>(&self, query: Products<'q>, sort: Sort) -> Products<'q> {
        match (self.supplier().is_some(), self.filter.status.is_some(), sort.is_falling()) {
            (true, _, true) => query.order(product::supplier.desc()),
            (true, _, false) => query.order(product::supplier.asc()),
            (false, true, true) => query.order(product::status.desc()),
            (false, true, false) => query.order(product::status.asc()),
            (false, false, _) => query,
        }
    }

    /// The products that are looked through, in no order yet; for a list in this order, which is bounded by [`Self::bounds`].
    pub(super) fn query(&self, sort: Sort) -> Products<'_> {
        let query = if self.supplier().is_some() { self.of_status(self.index()) } else { self.index() };
        let query = self.narrowed(if self.enters_at_price(sort) { query } else { self.priced(query) });
        match self.search.as_ref().and_then(Search::condition) {
            Some(condition) => query.filter(condition),
            None => query,
        }
    }

    /// Those of some products that the filter lets through, whatever is searched for, read by their ids. Status and supplier
    /// are compared such that SQLite does not take their indexes, which would read every product there is.
    pub(super) fn among<'q>(&'q self, ids: impl IntoIterator<Item = &'q String>) -> Products<'q> {
        let query = product::table.into_boxed().filter(product::id.eq_any(ids));
        let query = self.priced(self.of_status(query));
        self.narrowed(match self.supplier() {
            Some(supplier) => query.filter(not(product::supplier.ne(supplier))),
            None => query,
        })
    }

    /// Asks each for its categories.
    fn narrowed<'q>(&'q self, query: Products<'q>) -> Products<'q> {
        let Some(categories) = &self.categories else { return query };
        let member = product_category::table.filter(product_category::product.eq(product::id));
        // Its categories are few; those of the filter may be very many, and SQLite would look for one after the other.
        query.filter(exists(member.filter(not(product_category::category.ne_all(categories)))))
    }

    /// What the filter leaves, to be counted.
    pub(super) fn counted(&self, sort: Sort) -> Products<'_> {
        match &self.matches {
            Some(matches) => self.among(matches.weights.keys()),
            None if self.enters_at_price(sort) => self.within_prices(self.query(sort)),
            None => self.query(sort),
        }
    }

    fn has_price(&self) -> bool {
        self.filter.min_price.is_some() || self.filter.max_price.is_some()
    }

    /// Whether an index is looked through that is in the order of prices.
    fn enters_at_price(&self, sort: Sort) -> bool {
        self.matches.is_none() && sort.is_by_price()
    }

    /// The supplier whose products are asked for, when it is one.
    fn supplier(&self) -> Option<&str> {
        self.filter.own.as_deref().or(self.filter.supplier.as_deref())
    }

    /// Asks each for its price, such that no planner takes the index of prices, to read and sort all that is as dear.
    fn priced<'q>(&self, mut query: Products<'q>) -> Products<'q> {
        if let Some(price) = self.filter.min_price {
            query = query.filter((product::price_from + 0).ge(price));
        }
        if let Some(price) = self.filter.max_price {
            query = query.filter((product::price_from + 0).le(price));
        }
        query
    }

    /// The index of prices, entered at both ends.
    fn within_prices<'q>(&self, mut query: Products<'q>) -> Products<'q> {
        if let Some(price) = self.filter.min_price {
            query = query.filter(product::price_from.ge(price));
        }
        if let Some(price) = self.filter.max_price {
            query = query.filter(product::price_from.le(price));
        }
        query
    }

    /// Compares the status such that no planner takes its index.
    fn of_status<'q>(&self, mut query: Products<'q>) -> Products<'q> {
        let Some(wanted) = self.filter.status else { return query };
        for other in Status::ALL.into_iter().filter(|status| *status != wanted) {
            query = query.filter(product::status.ne(other.name()));
        }
        query
    }
}

/// The members of categories, when these are at most [`FEW`].
fn members(db: &mut Db, categories: &[String]) -> Done<Option<Vec<String>>> {
    let of = || product_category::table.filter(product_category::category.eq_any(categories));
    let beyond = of().select(product_category::product).offset(FEW).limit(1);
    // A product may stand in several of them; then there are fewer members, and asking each product does as well.
    if beyond.first::<String>(db).optional()?.is_some() {
        return Ok(None);
    }
    Ok(Some(of().select(product_category::product).load(db)?))
}

/// The ids of the products of a query when these are at most [`FEW`]. Where they are more, counting past so many of them
/// takes a small part of the time that reading takes.
fn few<'q>(db: &mut Db, query: impl Fn() -> Products<'q>) -> Done<Option<Vec<String>>> {
    let beyond: Option<String> = query().select(product::id).offset(FEW).limit(1).first(db).optional()?;
    if beyond.is_some() {
        return Ok(None);
    }
    Ok(Some(query().select(product::id).load(db)?))
}
