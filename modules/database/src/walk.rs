//! Looking through a whole table, as a proof does: page by page, each in one state of the database, from the first key to the
//! one that was the last when it began. Keys that begin with the time, as most ids do, come behind that one meanwhile: who
//! followed them might never come to an end. Keys that come between are looked at as well.

use emporium_kernel::{Audit, Fault};

use crate::{Database, Db, Failure};

/// The keys that are still to be looked at: those behind one, up to another.
#[derive(Clone, Debug, Default)]
pub struct Span<K> {
    /// The key that was looked at last; at first one before all others.
    pub after: K,
    /// The last key there was.
    pub until: K,
}

impl<K: Default> Span<K> {
    /// All keys up to the last, which a table without rows does not have.
    pub fn up_to(last: Option<K>) -> Self {
        Self { after: K::default(), until: last.unwrap_or_default() }
    }

    /// Goes on behind a page of at most so many rows; whether more may follow.
    pub fn pass<T>(&mut self, page: &[T], most: i64, key: impl FnOnce(&T) -> K) -> bool {
        if let Some(last) = page.last() {
            self.after = key(last);
        }
        i64::try_from(page.len()).is_ok_and(|rows| rows == most)
    }
}

/// A check that goes through a table. What a page cannot finish goes on in the next from rows that never change.
pub trait Walk: Send + 'static {
    /// How the module refuses.
    type Error: Fault;

    /// Finds out where the table ends.
    fn begin(&mut self, db: &mut Db) -> Result<(), Failure<Self::Error>>;

    /// Looks at the next rows, no farther than that; `false` at the end.
    fn page(&mut self, db: &mut Db, audit: &mut Audit) -> Result<bool, Failure<Self::Error>>;
}

/// Adds to `audit` what a check finds. It stands back behind whoever else reads.
pub async fn walk<W: Walk>(database: &Database, walk: W, audit: Audit) -> Result<Audit, W::Error> {
    Ok(to_the_end(database, walk, audit).await?.1)
}

/// The same, with what the check has become.
pub(crate) async fn to_the_end<W: Walk>(
    database: &Database,
    mut walk: W,
    mut audit: Audit,
) -> Result<(W, Audit), W::Error> {
    walk = database.read_aside(move |db| walk.begin(db).map(|()| walk)).await?;
    loop {
        let page = move |db: &mut Db| {
            let more = walk.page(db, &mut audit)?;
            Ok((more, walk, audit))
        };
        let more;
        (more, walk, audit) = database.read_aside(page).await?;
        if !more {
            return Ok((walk, audit));
        }
    }
}
