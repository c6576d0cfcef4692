//! The order of relevance: the best match first, and by id where two match equally well.
//!
//! Where too much is found to rank it all, it is ranked in stretches: first the newest of what may match, then what was made
//! before them. A cursor says where its stretch begins and ends, so that what comes, goes or changes meanwhile neither hides nor
//! repeats anything else; where very much came, the rest of its stretch follows by age.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use diesel::dsl::max;
use emporium_database::Db;
use emporium_database::prelude::*;
use emporium_kernel::{Cursor, Page};

use super::Part;
use super::place::{Key, Place, Sort};
use super::scope::Scope;
use crate::catalogue::search::Bounds;
use crate::error::Done;
use crate::schema::product;

/// Products that are ranked together, where all words are common; as many again where a query may be a SKU as well.
const TOGETHER: usize = 500;
/// So many are ranked again, with what has come to match meanwhile. Where they are more, the rest is shown by age.
const AGAIN: usize = 1_000;
/// So many stretches make a page at most; one of which nothing is shown ends it, for the next may show as little.
const MOST_STRETCHES: usize = 2;
/// Of so many at a time, the best first, it is looked up whether the rest of the filter lets them through.
const LOOKED_UP: usize = 200;

/// How well a product matches, and its id: in the order of relevance.
type Ranked = (Reverse<i64>, String);

/// A part of what was found that is ranked by itself.
#[derive(Clone, Debug, Default)]
struct Stretch {
    /// The id before which it is; `None` for all that was found.
    before: Option<String>,
    /// The first of it, where that is known.
    from: Option<String>,
    /// What was shown last, when a part of it was shown.
    shown: Option<Ranked>,
}

/// What is shown of a stretch.
struct Shown {
    /// What comes next, to one more than fits.
    rows: Vec<Ranked>,
    /// Whether these are the newest of what could not be ranked again as a whole, the newest first.
    is_split: bool,
    /// The stretch, as it is ranked again for the rest of it.
    stretch: Stretch,
    /// What is ranked after it.
    behind: Option<Stretch>,
}

/// A page of ids.
pub(super) fn page(db: &mut Db, scope: &Scope<'_>, part: &Part) -> Done<Page<String>> {
    let (mut ids, mut next) = (Vec::new(), Some(Stretch::of(db, scope, part)?));
    for _ in 0..MOST_STRETCHES {
        let Some(stretch) = next.take() else { break };
        let room = part.limit.rows() - ids.len();
        let Shown { mut rows, is_split, stretch, behind } = stretch.rank(db, scope, room)?;
        next = behind;
        if rows.len() > room {
            rows.truncate(room);
            let last = rows.last().cloned();
            next = Some(match is_split {
                true => Stretch { before: last.map(|(_, id)| id), ..stretch },
                false => Stretch { shown: last, ..stretch },
            });
        }
        let is_empty = rows.is_empty();
        ids.extend(rows.into_iter().map(|(_, id)| id));
        if is_empty || ids.len() == part.limit.rows() {
            break;
        }
    }
    Ok(Page { data: ids, next_cursor: next.map(|stretch| Cursor::encode(&stretch.place())), total: None })
}

impl Stretch {
    /// The one with which a page begins.
    fn of(db: &mut Db, scope: &Scope<'_>, part: &Part) -> Done<Self> {
        let shown = |weight: &i64, id: &String| Some((Reverse(*weight), id.clone()));
        let stretch = match &part.after {
            Some((Key::Ranked(weight, before, from), id)) => {
                Self { before: Some(before.clone()), from: from.clone(), shown: shown(weight, id) }
            }
            Some((Key::Before { before }, _)) => Self { before: Some(before.clone()), ..Self::default() },
            Some((Key::Number(weight), id)) => Self { shown: shown(weight, id), ..Self::default() },
            Some((Key::Text(_), _)) | None => Self::default(),
        };
        if stretch.before.is_some() || scope.matches.is_some() {
            return Ok(stretch);
        }
        let newest: Option<String> = product::table.select(max(product::id)).first(db)?;
        // `~` sorts after all that an id has: this is behind that product, and before whatever is made later.
        Ok(Self { before: Some(newest.map(|id| format!("{id}~")).unwrap_or_default()), ..stretch })
    }

    /// Ranks it, where there is room for so many on the page.
    fn rank(self, db: &mut Db, scope: &Scope<'_>, room: usize) -> Done<Shown> {
        let (weights, until) = self.weights(db, scope)?;
        let mut ranked: Vec<Ranked> = weights.into_iter().map(|(id, weight)| (Reverse(weight), id)).collect();
        ranked.retain(|one| self.shown.as_ref().is_none_or(|shown| one > shown));
        // What was shown of a whole says nothing of its parts but that the rest of each is behind it.
        let is_split = until.is_some() && self.shown.is_some();
        ranked.sort_unstable_by(|a, b| if is_split { b.1.cmp(&a.1) } else { a.cmp(b) });
        let mut rows = Vec::new();
        for best in ranked.chunks(LOOKED_UP) {
            rows.extend(let_through(db, scope, best)?);
            if rows.len() > room {
                rows.truncate(room + 1);
                break;
            }
        }
        let begins = |before: String| Self { before: Some(before), ..Self::default() };
        let (stretch, behind) = match until {
            Some(until) if is_split => (self.clone(), Some(Self { before: Some(until), ..self })),
            Some(until) => (Self { from: Some(until.clone()), ..self }, Some(begins(until))),
            None => (self.clone(), self.from.map(begins)),
        };
        Ok(Shown { rows, is_split, stretch, behind })
    }

    /// How well each matches, whether the rest of the filter lets it through or not; and the first of these, where they are
    /// not all of the stretch.
    fn weights(&self, db: &mut Db, scope: &Scope<'_>) -> Done<(HashMap<String, i64>, Option<String>)> {
        let (before, from) = (self.before.as_deref(), self.from.as_deref().unwrap_or_default());
        if let Some(search) = &scope.search {
            let most = if self.shown.is_some() { AGAIN } else { TOGETHER };
            let latest = search.latest(db, Bounds { before: before.unwrap_or_default(), from, most })?;
            return Ok((search.among(db, latest.products)?.weights, latest.until));
        }
        let is_here = |id: &str| before.is_none_or(|before| id < before) && id >= from;
        let found = scope.matches.iter().flat_map(|matches| &matches.weights);
        Ok((found.filter(|(id, _)| is_here(id)).map(|(id, weight)| (id.clone(), *weight)).collect(), None))
    }

    fn place(self) -> Place {
        match (self.shown, self.before) {
            (Some((weight, id)), Some(before)) => (Sort::Relevance, Key::Ranked(weight.0, before, self.from), id),
            (Some((weight, id)), None) => (Sort::Relevance, Key::Number(weight.0), id),
            (None, before) => (Sort::Relevance, Key::Before { before: before.unwrap_or_default() }, String::new()),
        }
    }
}

/// Those that the rest of the filter lets through.
fn let_through(db: &mut Db, scope: &Scope<'_>, ranked: &[Ranked]) -> Done<Vec<Ranked>> {
    let query = scope.among(ranked.iter().map(|(_, id)| id)).select(product::id);
    let ids: HashSet<String> = diesel::RunQueryDsl::load(query, db)?.into_iter().collect();
    Ok(ranked.iter().filter(|(_, id)| ids.contains(id)).cloned().collect())
}
