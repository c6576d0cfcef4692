//! The order of relevance: the best match first, and by id where two match equally well.
//!
//! Where too much is found to rank it all, it is ranked in stretches: first the newest of what may match, then what was made
//! before them. A cursor says where its stretch begins and ends, so that what comes, goes or changes meanwhile moves nothing
//! else. (A word that becomes a common one between two pages shows products again.)

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use diesel::dsl::max;
use emporium_database::Db;
use emporium_database::prelude::*;
use emporium_kernel::{Cursor, Page};

use super::Part;
use super::place::{Key, Place, Sort};
use super::scope::Scope;
use crate::catalogue::search::Window;
use crate::error::Done;
use crate::schema::product;

/// Products that are ranked together, where all words are common.
const TOGETHER: usize = 1_000;
/// No stretch that is ranked again is longer, whatever a cursor says and whatever has come to match in it meanwhile.
const LONGEST: usize = 2_000;
/// Of so many at a time, the best first, it is looked up whether the rest of the filter lets them through.
const ASKED_AT_ONCE: usize = 200;

/// A product and how well it matches, in the order of relevance.
type Ranked = (Reverse<i64>, String);

/// What is ranked together.
#[derive(Default)]
struct Stretch {
    /// How well each matches, whether the rest of the filter lets it through or not.
    weights: HashMap<String, i64>,
    /// The id before which it is, unless it is all that was found.
    before: Option<String>,
    /// The first of it, unless it has the oldest.
    from: Option<String>,
}

/// A page of ids.
pub(super) fn page(db: &mut Db, scope: &Scope<'_>, part: &Part) -> Done<Page<String>> {
    let stretch = match part.after.as_ref().map(|(key, _)| key) {
        Some(Key::Ranked(_, before, from)) => Stretch::of(db, scope, before, from.as_deref(), LONGEST)?,
        Some(Key::Before { before }) => Stretch::of(db, scope, before, None, TOGETHER)?,
        _ => Stretch::first(db, scope)?,
    };
    let mut rows: Vec<Ranked> =
        stretch.weights.into_iter().map(|(product, weight)| (Reverse(weight), product)).collect();
    if let Some((Key::Number(seen) | Key::Ranked(seen, ..), product)) = &part.after {
        rows.retain(|(weight, id)| (weight, id) > (&Reverse(*seen), product));
    }
    rows.sort();
    let mut shown = Vec::new();
    for best in rows.chunks(ASKED_AT_ONCE) {
        shown.extend(let_through(db, scope, best)?);
        if shown.len() > part.limit.rows() {
            break;
        }
    }
    let key = |weight| match &stretch.before {
        Some(before) => Key::Ranked(weight, before.clone(), stretch.from.clone()),
        None => Key::Number(weight),
    };
    let page = Page::of(shown, part.limit, |(weight, id)| -> Place { (Sort::Relevance, key(weight.0), id.clone()) });
    let mut page = page.map(|(_, id)| id);
    if let (None, Some(before)) = (&page.next_cursor, stretch.from) {
        let next: Place = (Sort::Relevance, Key::Before { before }, String::new());
        page.next_cursor = Some(Cursor::encode(&next));
    }
    Ok(page)
}

impl Stretch {
    /// All that was found, or the newest where that is too much.
    fn first(db: &mut Db, scope: &Scope<'_>) -> Done<Self> {
        if let Some(matches) = &scope.matches {
            return Ok(Self { weights: matches.weights.clone(), ..Self::default() });
        }
        let newest: Option<String> = product::table.select(max(product::id)).first(db)?;
        // `~` sorts after all that an id has: this is behind that product, and before whatever is made later.
        let before = newest.map(|id| format!("{id}~")).unwrap_or_default();
        Self::of(db, scope, &before, None, TOGETHER)
    }

    /// What is before an id, from another on, and no more than so many that may match.
    fn of(db: &mut Db, scope: &Scope<'_>, before: &str, from: Option<&str>, most: usize) -> Done<Self> {
        let window = Window { before, from: from.unwrap_or_default(), most };
        let (mut weights, mut until) = (HashMap::new(), None);
        if let Some(search) = &scope.search {
            let newest = search.newest(db, window)?;
            (weights, until) = (search.among(db, newest.products)?.weights, newest.until);
        } else if let Some(matches) = &scope.matches {
            let here = matches.weights.iter().filter(|(id, _)| id.as_str() < before && id.as_str() >= window.from);
            weights = here.map(|(id, weight)| (id.clone(), *weight)).collect();
        }
        let from = until.or_else(|| from.map(ToOwned::to_owned));
        Ok(Self { weights, before: Some(before.to_owned()), from })
    }
}

/// Those that the rest of the filter lets through.
fn let_through(db: &mut Db, scope: &Scope<'_>, ranked: &[Ranked]) -> Done<Vec<Ranked>> {
    let query = scope.among(ranked.iter().map(|(_, id)| id)).select(product::id);
    let ids: HashSet<String> = diesel::RunQueryDsl::load(query, db)?.into_iter().collect();
    Ok(ranked.iter().filter(|(_, id)| ids.contains(id)).cloned().collect())
}
