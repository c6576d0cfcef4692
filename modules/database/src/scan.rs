//! Lists that are looked through row by row. One call looks at five hundred rows and no more; where these do not fill a page,
//! its cursor says where the next one goes on. So a filter may leave few rows anywhere among any number of others, and no page
//! costs more than one of a list of five hundred rows.

use emporium_kernel::{Cursor, Limit, MOST_COUNTED, Page};
use serde::Serialize;

use crate::Db;

/// So many rows are looked at together: few at first, for most pages are full by then, and finding where a
/// stretch ends takes a part of the time that looking at it takes.
pub const STRETCHES: &[i64] = &[100, 400];

/// So many rows are few: they are read and sorted in less time than others are passed over.
pub const FEW: i64 = 1_000;

/// A list in the order of an index, and what each row of the index is asked.
pub trait Scan {
    /// What the list is of.
    type Row;
    /// A row's place in the order.
    type Place: Serialize;
    /// How reading fails.
    type Error;

    /// Whether very many rows may be asked for each that belongs to the list; otherwise a page ends where it is full.
    fn asks(&self) -> bool;

    /// How many rows are looked at together for a page, one stretch after another; fewer where asking is dear.
    fn stretches(&self) -> &'static [i64] {
        STRETCHES
    }

    /// The place of a row.
    fn place(&self, row: &Self::Row) -> Self::Place;

    /// Where so many rows of the index end that follow `after`, or some of them, whatever their answers; `None` when all that
    /// follow are fewer.
    fn end(&self, db: &mut Db, after: Option<&Self::Place>, rows: i64) -> Result<Option<Self::Place>, Self::Error>;

    /// At most `most` rows of the list that follow `after`, no later than `until`.
    fn rows(
        &self,
        db: &mut Db,
        after: Option<&Self::Place>,
        until: Option<&Self::Place>,
        most: i64,
    ) -> Result<Vec<Self::Row>, Self::Error>;
}

/// A list that can be counted.
pub trait Counted: Scan {
    /// Whether it has so many rows.
    fn reaches(&self, db: &mut Db, rows: i64) -> Result<bool, Self::Error>;

    /// How many rows it has.
    fn count(&self, db: &mut Db) -> Result<i64, Self::Error>;
}

/// What was found of a list.
#[derive(Debug)]
pub struct Scanned<R, P> {
    /// The rows.
    pub rows: Vec<R>,
    /// Behind which place the list goes on, if it does.
    pub next: Option<P>,
}

/// At most `most` rows that follow `after`.
pub fn scan<L: Scan>(
    db: &mut Db,
    list: &L,
    most: usize,
    after: Option<L::Place>,
) -> Result<Scanned<L::Row, L::Place>, L::Error> {
    let (mut rows, mut from) = (Vec::new(), after);
    for stretch in list.stretches() {
        let end = if list.asks() { list.end(db, from.as_ref(), *stretch)? } else { None };
        let missing = i64::try_from(most + 1 - rows.len()).unwrap_or(i64::MAX);
        rows.extend(list.rows(db, from.as_ref(), end.as_ref(), missing)?);
        if rows.len() > most {
            rows.truncate(most);
            from = rows.last().map(|row| list.place(row));
            break;
        }
        from = end;
        if from.is_none() {
            break;
        }
    }
    Ok(Scanned { rows, next: from })
}

/// A page of a list; it may have fewer rows than the limit though the list goes on.
pub fn page<L: Scan>(db: &mut Db, list: &L, limit: Limit, after: Option<L::Place>) -> Result<Page<L::Row>, L::Error> {
    let Scanned { rows, next } = scan(db, list, limit.rows(), after)?;
    Ok(Page { data: rows, next_cursor: next.map(|place| Cursor::encode(&place)), total: None })
}

/// How many rows a list has, counted to [`MOST_COUNTED`]; `None` where more than [`FEW`] would have to be asked.
pub fn total<L: Counted>(db: &mut Db, list: &L) -> Result<Option<i64>, L::Error> {
    if list.asks() {
        let is_long = list.end(db, None, FEW)?.is_some();
        return if is_long { Ok(None) } else { list.count(db).map(Some) };
    }
    if list.reaches(db, MOST_COUNTED)? { Ok(Some(MOST_COUNTED)) } else { list.count(db).map(Some) }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use diesel::{Connection, SqliteConnection};

    use super::*;

    /// The numbers from 1 on, of which those that a number divides belong to the list.
    struct Multiples {
        of: i64,
        up_to: i64,
        looked_at: Cell<i64>,
    }

    impl Multiples {
        fn between(&self, after: Option<&i64>, until: Option<&i64>) -> impl Iterator<Item = i64> {
            let from = after.copied().unwrap_or(0) + 1;
            from..=until.copied().unwrap_or(self.up_to)
        }
    }

    impl Scan for Multiples {
        type Row = i64;
        type Place = i64;
        type Error = Infallible;

        fn asks(&self) -> bool {
            self.of > 1
        }

        fn place(&self, row: &i64) -> i64 {
            *row
        }

        fn end(&self, _: &mut Db, after: Option<&i64>, rows: i64) -> Result<Option<i64>, Infallible> {
            Ok(self.between(after, None).nth(usize::try_from(rows).expect("few") - 1))
        }

        fn rows(
            &self,
            _: &mut Db,
            after: Option<&i64>,
            until: Option<&i64>,
            most: i64,
        ) -> Result<Vec<i64>, Infallible> {
            let looked_at = self.between(after, until).inspect(|_| self.looked_at.set(self.looked_at.get() + 1));
            Ok(looked_at.filter(|n| n % self.of == 0).take(usize::try_from(most).expect("few")).collect())
        }
    }

    impl Counted for Multiples {
        fn reaches(&self, _: &mut Db, rows: i64) -> Result<bool, Infallible> {
            Ok(self.up_to / self.of >= rows)
        }

        fn count(&self, _: &mut Db) -> Result<i64, Infallible> {
            Ok(self.up_to / self.of)
        }
    }

    fn nothing() -> Db {
        Db::Sqlite(SqliteConnection::establish(":memory:").expect("opens"))
    }

    fn numbers(of: i64, up_to: i64) -> Multiples {
        Multiples { of, up_to, looked_at: Cell::new(0) }
    }

    fn all(list: &Multiples, most: usize) -> (Vec<i64>, usize) {
        let (mut rows, mut after, mut pages) = (Vec::new(), None, 0);
        let mut db = nothing();
        loop {
            list.looked_at.set(0);
            let Ok(found) = scan(&mut db, list, most, after);
            assert!(found.rows.len() <= most && list.looked_at.get() <= 500);
            rows.extend(found.rows);
            pages += 1;
            after = found.next;
            if after.is_none() {
                return (rows, pages);
            }
        }
    }

    #[test]
    fn pages_show_the_whole_list_and_look_at_so_many_rows_each() {
        for up_to in [0, 1, 999, 1_000, 1_001, 9_999, 10_000, 10_001, 35_000] {
            for of in [1, 7, 400, 1_000, 1_001, 34_999, 40_000] {
                let expected: Vec<i64> = (1..=up_to / of).map(|n| n * of).collect();
                assert_eq!(all(&numbers(of, up_to), 100).0, expected, "{of} up to {up_to}");
            }
        }
        assert_eq!(all(&numbers(40_000, 35_000), 100), (Vec::new(), 71), "a page may be empty and the list go on");
        assert_eq!(all(&numbers(4, 1_000), 100).1, 3, "full pages where there are enough");
    }

    #[test]
    fn what_cannot_be_counted_in_time_is_not_counted() {
        let mut db = nothing();
        let mut counted = |of, up_to| total(&mut db, &numbers(of, up_to)).expect("counts");
        assert_eq!(counted(1, 60_000), Some(5_000));
        assert_eq!(counted(1, 4_999), Some(4_999));
        assert_eq!(counted(6, 1_000), None, "a thousand may be followed by more");
        assert_eq!(counted(6, 999), Some(166));
        assert_eq!(counted(7, 0), Some(0));
    }
}
