//! What a filter lets through, as a query that reads little of what it does not.
//!
//! Where some part of a filter leaves few products, these are read by their ids and asked for the rest. Otherwise
//! products are walked through in the order of the list until a page is full, and each is asked.

use diesel::dsl::exists;
use diesel::prelude::*;
use emporium_database::Db;
use emporium_kernel::MOST_COUNTED;

use super::{Filter, Part, Sort};
use crate::catalogue::search::{COMMON, Matches, Search};
use crate::catalogue::{Status, category};
use crate::error::Done;
use crate::schema::{product, product_category};

type Backend = <Db as diesel::Connection>::Backend;
type Products<'a> = product::BoxedQuery<'a, Backend>;

/// Products that are ranked by relevance, where all words are common.
const RANKED: i64 = 1_000;
/// Products that are read by their ids though nothing is searched for: so many, scattered, are read in a few milliseconds.
const FEW: usize = 1_000;

/// A filter whose words and category were looked up.
pub(super) struct Scope<'a> {
    filter: &'a Filter,
    sort: Sort,
    /// Whether the page begins behind another one.
    goes_on: bool,
    categories: Option<Vec<String>>,
    /// What was found, or what few products some part of the filter leaves.
    pub(super) matches: Option<Matches>,
    /// Whether the rest of the filter lets all of that through as well.
    pub(super) sifted: bool,
    /// What each product is asked, where too many were found.
    search: Option<Search>,
}

impl<'a> Scope<'a> {
    /// `None` when nothing can match.
    pub(super) fn of(db: &mut Db, filter: &'a Filter, part: &Part) -> Done<Option<Self>> {
        let categories = filter.category.as_deref().map(|key| category::with_descendants(db, key)).transpose()?;
        if categories.as_ref().is_some_and(Vec::is_empty) {
            return Ok(None);
        }
        let (sort, goes_on) = (part.sort, part.after.is_some());
        let mut scope = Self { filter, sort, goes_on, categories, matches: None, sifted: false, search: None };
        match filter.q.as_deref().and_then(Search::read) {
            Some(search) => scope.find(db, search)?,
            None => scope.matches = scope.candidates(db, FEW)?.map(Matches::unweighed),
        }
        let nothing = scope.matches.as_ref().is_some_and(|matches| matches.weights.is_empty());
        Ok((!nothing).then_some(scope))
    }

    /// Finds what is searched for; where that is too much, each product is asked in the order of the list.
    fn find(&mut self, db: &mut Db, search: Search) -> Done<()> {
        self.matches = search.matching(db)?;
        if self.matches.is_none()
            && let Some(few) = self.candidates(db, COMMON)?
        {
            self.matches = Some(search.among(db, few)?);
        }
        if self.matches.is_none() && self.sort == Sort::Relevance {
            (self.matches, self.sifted) = (Some(self.newest(db, &search)?), true);
        }
        if self.matches.is_none() {
            self.search = Some(search);
        }
        Ok(())
    }

    /// The products that one part of the filter lets through, when these are at most so many; the rest of it still applies.
    fn candidates(&self, db: &mut Db, most: usize) -> Done<Option<Vec<String>>> {
        if let Some(categories) = &self.categories
            && let Some(members) = members(db, categories, most)?
        {
            return Ok(Some(members));
        }
        for supplier in [&self.filter.supplier, &self.filter.own].into_iter().flatten() {
            let ids = few(db, most, || product::table.filter(product::supplier.eq(supplier)).into_boxed())?;
            if ids.is_some() {
                return Ok(ids);
            }
        }
        // A list by price enters the index at the price; without a price nothing but the status is left.
        let is_priced = self.filter.min_price.is_some() || self.filter.max_price.is_some();
        let by_price = matches!(self.sort, Sort::Price | Sort::PriceDown) && self.filter.q.is_none();
        if by_price || !(is_priced || self.filter.q.is_some()) {
            return Ok(None);
        }
        let of_status = || match self.filter.status {
            Some(status) => product::table.filter(product::status.eq(status.name())).into_boxed(),
            None => product::table.into_boxed(),
        };
        few(db, most, || self.within_prices(of_status()))
    }

    /// What is ranked where too much is found: the newest that everything lets through.
    fn newest(&self, db: &mut Db, search: &Search) -> Done<Matches> {
        let newest = self.asking(search).order((product::created_at.desc(), product::id.desc()));
        let ids: Vec<String> = newest.select(product::id).limit(RANKED).load(db)?;
        search.among(db, ids)
    }

    /// The products, in no order yet.
    pub(super) fn query(&self) -> Products<'_> {
        match (&self.matches, &self.search) {
            (Some(matches), _) => self.filtered(self.among(matches)),
            (None, Some(search)) => self.asking(search),
            (None, None) => self.filtered(self.by_index()),
        }
    }

    /// How many there are, counted to [`MOST_COUNTED`].
    pub(super) fn counted(&self, db: &mut Db) -> Done<i64> {
        let beyond = self.query().select(product::id).offset(MOST_COUNTED - 1).limit(1);
        match beyond.first::<String>(db).optional()? {
            Some(_) => Ok(MOST_COUNTED),
            None => Ok(self.query().count().get_result(db)?),
        }
    }

    /// Products in the order of an index, of which each is asked whether it is one that is searched for.
    fn asking(&self, search: &Search) -> Products<'_> {
        let query = self.filtered(self.by_index());
        match search.condition() {
            Some(condition) => query.filter(condition),
            None => query,
        }
    }

    /// Asks each for its price and its category.
    fn filtered<'q>(&'q self, query: Products<'q>) -> Products<'q> {
        let query = self.priced(query);
        let Some(categories) = &self.categories else { return query };
        let member = product_category::table.filter(product_category::product.eq(product::id));
        query.filter(exists(member.filter(product_category::category.eq_any(categories))))
    }

    /// In a list by price the index is entered at the price, or where the page before ended. What does not enter it is
    /// compared such that SQLite does not take it, to read and sort all that is as dear.
    fn priced<'q>(&self, mut query: Products<'q>) -> Products<'q> {
        let (enters_below, enters_above) = match (self.sort, self.goes_on) {
            (Sort::Price | Sort::PriceDown, false) => (true, true),
            (Sort::Price, true) => (false, true),
            (Sort::PriceDown, true) => (true, false),
            _ => (false, false),
        };
        if let Some(price) = self.filter.min_price {
            query = match enters_below {
                true => query.filter(product::price_from.ge(price)),
                false => query.filter((product::price_from + 0).ge(price)),
            };
        }
        if let Some(price) = self.filter.max_price {
            query = match enters_above {
                true => query.filter(product::price_from.le(price)),
                false => query.filter((product::price_from + 0).le(price)),
            };
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

    /// By status and supplier, for which there are indexes that are sorted as well.
    fn by_index(&self) -> Products<'_> {
        let mut query = product::table.into_boxed();
        if let Some(status) = self.filter.status {
            query = query.filter(product::status.eq(status.name()));
        }
        for supplier in [&self.filter.supplier, &self.filter.own].into_iter().flatten() {
            query = query.filter(product::supplier.eq(supplier));
        }
        query
    }

    /// What was found, read by its ids. Status and supplier are compared such that no planner takes their indexes, which
    /// would read every product there is.
    fn among<'q>(&'q self, matches: &'q Matches) -> Products<'q> {
        let mut query = product::table.into_boxed().filter(product::id.eq_any(matches.weights.keys()));
        for other in Status::ALL.into_iter().filter(|status| self.filter.status.is_some_and(|wanted| wanted != *status))
        {
            query = query.filter(product::status.ne(other.name()));
        }
        for supplier in [&self.filter.supplier, &self.filter.own].into_iter().flatten() {
            query = query.filter(product::supplier.ge(supplier).and(product::supplier.le(supplier)));
        }
        query
    }
}

/// The members of categories, when these are at most so many.
fn members(db: &mut Db, categories: &[String], most: usize) -> Done<Option<Vec<String>>> {
    let of = || product_category::table.filter(product_category::category.eq_any(categories));
    let beyond = of().select(product_category::product).offset(i64::try_from(most).unwrap_or(i64::MAX)).limit(1);
    // A product may stand in several of them; then there are fewer members, and asking each product does as well.
    if beyond.first::<String>(db).optional()?.is_some() {
        return Ok(None);
    }
    Ok(Some(of().select(product_category::product).load(db)?))
}

/// The ids of the products of a query when these are at most so many. Where they are more, counting past so many of them
/// takes a small part of the time that reading takes.
fn few<'q>(db: &mut Db, most: usize, query: impl Fn() -> Products<'q>) -> Done<Option<Vec<String>>> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let beyond: Option<String> = query().select(product::id).offset(most).limit(1).first(db).optional()?;
    if beyond.is_some() {
        return Ok(None);
    }
    Ok(Some(query().select(product::id).load(db)?))
}
