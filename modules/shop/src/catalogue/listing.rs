//! Lists of products: filtered, sorted, and in pages that neither skip nor repeat a row.

use diesel::prelude::*;
use emporium_database::Db;
use emporium_kernel::{Cursor, FieldError, Limit, Page, Problem};
use emporium_shop_api::ProductId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::search::{COMMON, Matches, Search};
use super::{Product, Status, category, load};
use crate::error::Done;
use crate::schema::{product, product_category};

type Backend = <Db as diesel::Connection>::Backend;
type Products<'a> = product::BoxedQuery<'a, Backend>;

/// Products that are ranked by relevance, where all words are common.
const RANKED: i64 = 1_000;

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Key {
    /// A price, a time or a weight.
    Number(i64),
    /// A title.
    Text(String),
}

/// Where a page begins: the order it belongs to, and key and id of the last row seen.
pub(crate) type Place = (Sort, Key, String);

/// Which products are listed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Words to find.
    pub q: Option<String>,
    /// Whether they are sold.
    pub status: Option<Status>,
    /// Those of one supplier; the last one wins when a caller may see only own ones.
    pub supplier: Option<String>,
    /// Those of the caller.
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

    fn place(self, (sort, key, id): Place) -> Result<(Key, String), Problem> {
        let fits = sort == self && matches!(key, Key::Text(_)) == self.is_textual();
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

/// A page of products, completed.
pub(crate) fn page(db: &mut Db, filter: &Filter, part: &Part) -> Done<Page<Product>> {
    let Some(scope) = Scope::of(db, filter, part.sort)? else {
        return Ok(Page { data: Vec::new(), next_cursor: None, total: part.total.then_some(0) });
    };
    let mut page = match (&scope.matches, part.sort) {
        (Some(matches), Sort::Relevance) => by_relevance(db, &scope, matches, part)?,
        _ => by_column(db, &scope, part)?,
    };
    if part.total && page.total.is_none() {
        page.total = Some(scope.query().count().get_result(db)?);
    }
    let ids: Vec<ProductId> = page.data.into_iter().map(ProductId::stored).collect();
    Ok(Page { data: load::by_ids(db, &ids)?, next_cursor: page.next_cursor, total: page.total })
}

/// A filter whose words and category were looked up.
struct Scope<'a> {
    filter: &'a Filter,
    categories: Option<Vec<String>>,
    /// What was found.
    matches: Option<Matches>,
    /// What each product is asked, where too many were found.
    search: Option<Search>,
}

impl<'a> Scope<'a> {
    /// `None` when nothing can match.
    fn of(db: &mut Db, filter: &'a Filter, sort: Sort) -> Done<Option<Self>> {
        let categories = filter.category.as_deref().map(|key| category::with_descendants(db, key)).transpose()?;
        if categories.as_ref().is_some_and(Vec::is_empty) {
            return Ok(None);
        }
        let mut scope = Self { filter, categories, matches: None, search: None };
        let Some(search) = filter.q.as_deref().and_then(Search::read) else { return Ok(Some(scope)) };
        scope.matches = scope.found(db, &search, sort)?;
        match &scope.matches {
            Some(matches) if matches.weights.is_empty() => Ok(None),
            Some(_) => Ok(Some(scope)),
            None => Ok(Some(Self { search: Some(search), ..scope })),
        }
    }

    /// What is found; `None` when that is too much, and each product is to be asked in the order of the list.
    fn found(&self, db: &mut Db, search: &Search, sort: Sort) -> Done<Option<Matches>> {
        if let Some(matches) = search.matching(db)? {
            return Ok(Some(matches));
        }
        if let Some(few) = self.candidates(db)? {
            return search.among(db, few).map(Some);
        }
        if sort == Sort::Relevance { self.newest(db, search).map(Some) } else { Ok(None) }
    }

    /// The products that one part of the filter lets through, when these are few; the rest of it still applies.
    fn candidates(&self, db: &mut Db) -> Done<Option<Vec<String>>> {
        let most = i64::try_from(COMMON).unwrap_or(i64::MAX);
        if let Some(categories) = &self.categories {
            let members = product_category::table.filter(product_category::category.eq_any(categories));
            let few: Vec<String> = members.select(product_category::product).distinct().limit(most + 1).load(db)?;
            if few.len() <= COMMON {
                return Ok(Some(few));
            }
        }
        for supplier in [&self.filter.supplier, &self.filter.own].into_iter().flatten() {
            let ids = few(db, || product::table.filter(product::supplier.eq(supplier)).into_boxed())?;
            if ids.is_some() {
                return Ok(ids);
            }
        }
        let Some(status) = self.filter.status else { return Ok(None) };
        few(db, || self.priced(product::table.filter(product::status.eq(status.name())).into_boxed()))
    }

    /// What is ranked where too much is found: the newest that everything lets through.
    fn newest(&self, db: &mut Db, search: &Search) -> Done<Matches> {
        let newest = self.asking(search).order((product::created_at.desc(), product::id.desc()));
        let ids: Vec<String> = newest.select(product::id).limit(RANKED).load(db)?;
        search.among(db, ids)
    }

    fn query(&self) -> Products<'_> {
        match (&self.matches, &self.search) {
            (Some(matches), _) => self.filtered(self.among(matches)),
            (None, Some(search)) => self.asking(search),
            (None, None) => self.filtered(self.by_index()),
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

    fn filtered<'q>(&'q self, query: Products<'q>) -> Products<'q> {
        let mut query = self.priced(query);
        if let Some(categories) = &self.categories {
            let members = product_category::table
                .filter(product_category::category.eq_any(categories))
                .select(product_category::product);
            query = query.filter(product::id.eq_any(members));
        }
        query
    }

    fn priced<'q>(&self, mut query: Products<'q>) -> Products<'q> {
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

/// The ids of the products of a query when these are few. Where they are many, counting past so many of them takes a
/// small part of the time that reading takes.
fn few<'q>(db: &mut Db, query: impl Fn() -> Products<'q>) -> Done<Option<Vec<String>>> {
    let most = i64::try_from(COMMON).unwrap_or(i64::MAX);
    let beyond: Option<String> = query().select(product::id).offset(most).limit(1).first(db).optional()?;
    if beyond.is_some() {
        return Ok(None);
    }
    Ok(Some(query().select(product::id).limit(most).load(db)?))
}

/// Narrows a query to what follows a place in the order of a column and the id. The first comparison alone lets the
/// index be entered at that place.
macro_rules! ordered {
    ($query:expr, $column:expr, up, $after:expr) => {{
        let query = $query.order(($column.asc(), product::id.asc()));
        match $after {
            None => query,
            Some((key, id)) => query.filter($column.ge(key).and($column.gt(key).or(product::id.gt(id)))),
        }
    }};
    ($query:expr, $column:expr, down, $after:expr) => {{
        let query = $query.order(($column.desc(), product::id.desc()));
        match $after {
            None => query,
            Some((key, id)) => query.filter($column.le(key).and($column.lt(key).or(product::id.lt(id)))),
        }
    }};
}

fn by_column(db: &mut Db, scope: &Scope<'_>, part: &Part) -> Done<Page<String>> {
    let number = part.after.as_ref().and_then(|(key, id)| match key {
        Key::Number(number) => Some((*number, id.as_str())),
        Key::Text(_) => None,
    });
    let text = part.after.as_ref().and_then(|(key, id)| match key {
        Key::Text(text) => Some((text.as_str(), id.as_str())),
        Key::Number(_) => None,
    });
    let query = scope.query();
    let query = match part.sort {
        Sort::Relevance | Sort::CreatedDown => ordered!(query, product::created_at, down, number),
        Sort::Created => ordered!(query, product::created_at, up, number),
        Sort::Title => ordered!(query, product::title, up, text),
        Sort::TitleDown => ordered!(query, product::title, down, text),
        Sort::Price => ordered!(query, product::price_from, up, number),
        Sort::PriceDown => ordered!(query, product::price_from, down, number),
    };
    let columns = (product::id, product::title, product::price_from, product::created_at);
    let rows: Vec<Row> = query.limit(part.limit.probe()).select(columns).load(db)?;
    let page = Page::of(rows, part.limit, |row| -> Place {
        let key = match part.sort {
            Sort::Title | Sort::TitleDown => Key::Text(row.title.clone()),
            Sort::Price | Sort::PriceDown => Key::Number(row.price_from),
            Sort::Relevance | Sort::Created | Sort::CreatedDown => Key::Number(row.created_at),
        };
        (part.sort, key, row.id.clone())
    });
    Ok(page.map(|row| row.id))
}

/// The best match first, and by id where they are equal. The matches are bounded in number, so they are sorted here.
fn by_relevance(db: &mut Db, scope: &Scope<'_>, matches: &Matches, part: &Part) -> Done<Page<String>> {
    let ids: Vec<String> = scope.query().select(product::id).load(db)?;
    let total = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    let weight = |id: &String| std::cmp::Reverse(matches.weights.get(id).copied().unwrap_or(0));
    let mut rows: Vec<_> = ids.into_iter().map(|id| (weight(&id), id)).collect();
    if let Some((Key::Number(key), id)) = &part.after {
        let seen = (std::cmp::Reverse(*key), id.clone());
        rows.retain(|row| *row > seen);
    }
    rows.sort();
    rows.truncate(part.limit.rows() + 1);
    let page = Page::of(rows, part.limit, |(weight, id)| -> Place { (part.sort, Key::Number(weight.0), id.clone()) });
    let mut page = page.map(|(_, id)| id);
    page.total = part.total.then_some(total);
    Ok(page)
}
