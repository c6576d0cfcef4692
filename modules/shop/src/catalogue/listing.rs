//! Lists of products: filtered, sorted, and in pages that neither skip nor repeat a row.

mod scope;

use diesel::prelude::*;
use emporium_database::Db;
use emporium_kernel::{Cursor, FieldError, Limit, Page, Problem};
use emporium_shop_api::ProductId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::scope::Scope;
use super::search::Matches;
use super::{Product, Status, load};
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
    let Some(scope) = Scope::of(db, filter, part)? else {
        return Ok(Page { data: Vec::new(), next_cursor: None, total: part.total.then_some(0) });
    };
    let mut page = match (&scope.matches, part.sort) {
        (Some(matches), Sort::Relevance) => by_relevance(db, &scope, matches, part)?,
        _ => by_column(db, &scope, part)?,
    };
    if part.total && page.total.is_none() {
        page.total = Some(scope.counted(db)?);
    }
    let ids: Vec<ProductId> = page.data.into_iter().map(ProductId::stored).collect();
    Ok(Page { data: load::by_ids(db, &ids)?, next_cursor: page.next_cursor, total: page.total })
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
    let ids: Vec<String> = match scope.sifted {
        true => matches.weights.keys().cloned().collect(),
        false => scope.query().select(product::id).load(db)?,
    };
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
