//! The order of relevance: the best match first, and by id where two match equally well.
//!
//! Where too much is found to rank it all, it is ranked in stretches: first the newest of what is found, then what follows
//! them. A cursor says where its stretch begins and ends, so that what comes, goes or changes meanwhile moves nothing else.
//! (A word that becomes a common one between two pages shows products again.)

use std::cmp::Reverse;
use std::collections::HashMap;

use emporium_database::Db;
use emporium_database::scan::{Scan, Scanned, scan};
use emporium_kernel::{Cursor, Page};

use super::place::{Key, Moment, Place, Sort};
use super::scope::Scope;
use super::{Listing, Part, Row};
use crate::error::Done;

/// Products that are ranked together, where all words are common: with the next one, they are a thousand, which
/// [`scan`] has looked at before its last and longest stretch.
const RANKED: usize = 999;
/// Of a stretch that is looked at again, with what has come to match in it meanwhile.
const MOST_RANKED: i64 = 2_000;
/// No stretch is longer, whatever a cursor says.
const FARTHEST: i64 = 20_000;

/// What is ranked together.
#[derive(Default)]
struct Stretch {
    weights: HashMap<String, i64>,
    /// Where it begins, unless it is all that was found.
    since: Option<Moment>,
    /// Where it ends, unless that is the end.
    until: Option<Moment>,
}

/// A page of ids.
pub(super) fn page(db: &mut Db, scope: &Scope<'_>, part: &Part) -> Done<Page<String>> {
    let stretch = match part.after.as_ref().map(|(key, _)| key) {
        Some(Key::Ranked(_, since, until)) => Stretch::between(db, scope, since.clone(), until.clone())?,
        Some(Key::Behind(since)) => Stretch::behind(db, scope, since.clone())?,
        _ if scope.matches.is_some() => Stretch::whole(db, scope)?,
        _ => Stretch::newest(db, scope)?,
    };
    let mut rows: Vec<(Reverse<i64>, String)> =
        stretch.weights.into_iter().map(|(product, weight)| (Reverse(weight), product)).collect();
    if let Some((Key::Number(seen) | Key::Ranked(seen, ..), product)) = &part.after {
        rows.retain(|(weight, id)| (weight, id) > (&Reverse(*seen), product));
    }
    rows.sort();
    let key = |weight| match &stretch.since {
        Some(since) => Key::Ranked(weight, since.clone(), stretch.until.clone()),
        None => Key::Number(weight),
    };
    let page = Page::of(rows, part.limit, |(weight, id)| -> Place { (Sort::Relevance, key(weight.0), id.clone()) });
    let mut page = page.map(|(_, id)| id);
    if let (None, Some(until)) = (&page.next_cursor, &stretch.until) {
        let behind: Place = (Sort::Relevance, Key::Behind(until.clone()), String::new());
        page.next_cursor = Some(Cursor::encode(&behind));
    }
    Ok(page)
}

fn newest_first<'a>(scope: &'a Scope<'a>) -> Listing<'a> {
    Listing { scope, sort: Sort::CreatedDown }
}

fn place((at, id): Moment) -> Place {
    (Sort::CreatedDown, Key::Number(at), id)
}

fn moment((_, key, id): Place) -> Option<Moment> {
    if let Key::Number(at) = key { Some((at, id)) } else { None }
}

/// How well each matches; what no longer does is left out.
fn weighed(db: &mut Db, scope: &Scope<'_>, rows: Vec<Row>) -> Done<HashMap<String, i64>> {
    let ids: Vec<String> = rows.into_iter().map(|row| row.id).collect();
    match (&scope.matches, &scope.search) {
        (None, Some(search)) => Ok(search.among(db, ids)?.weights),
        (matches, _) => {
            let weight = |id: &String| matches.as_ref().and_then(|all| all.weights.get(id)).copied().unwrap_or(0);
            Ok(ids.iter().map(|id| (id.clone(), weight(id))).collect())
        }
    }
}

impl Stretch {
    /// All that was found and that the rest of the filter lets through.
    fn whole(db: &mut Db, scope: &Scope<'_>) -> Done<Self> {
        let rows = newest_first(scope).rows(db, None, None, i64::MAX)?;
        Ok(Self { weights: weighed(db, scope, rows)?, since: None, until: None })
    }

    /// The newest; nothing when there are no products.
    fn newest(db: &mut Db, scope: &Scope<'_>) -> Done<Self> {
        match newest_first(scope).end(db, None, 1)?.and_then(moment) {
            // `~` sorts after all that an id has: this is before that product and behind whatever is newer.
            Some((at, id)) => Self::behind(db, scope, (at, format!("{id}~"))),
            None => Ok(Self::default()),
        }
    }

    fn behind(db: &mut Db, scope: &Scope<'_>, since: Moment) -> Done<Self> {
        let Scanned { rows, next } = scan(db, &newest_first(scope), RANKED, Some(place(since.clone())))?;
        Ok(Self { weights: weighed(db, scope, rows)?, since: Some(since), until: next.and_then(moment) })
    }

    fn between(db: &mut Db, scope: &Scope<'_>, since: Moment, until: Option<Moment>) -> Done<Self> {
        let (listing, after, end) = (newest_first(scope), place(since.clone()), until.clone().map(place));
        let rows = if scope.matches.is_some() {
            listing.rows(db, Some(&after), end.as_ref(), i64::MAX)?
        } else {
            let farthest = listing.end(db, Some(&after), FARTHEST)?;
            let end = end.into_iter().chain(farthest).min_by(|a, b| listing.sort.compare(a, b));
            listing.rows(db, Some(&after), end.as_ref(), MOST_RANKED)?
        };
        Ok(Self { weights: weighed(db, scope, rows)?, since: Some(since), until })
    }
}
