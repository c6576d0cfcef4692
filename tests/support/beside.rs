//! A walk beside somebody who writes more than a page of it for each page that it reads.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use emporium_database::walk::{Walk, walk};
use emporium_database::{Database, Db, Failure, Migrations, Url};
use emporium_kernel::Audit;

/// A walk that has read so many pages follows what is written meanwhile.
const MOST: u32 = 20;

/// What is written before a page, of each number other rows.
pub type Rows = fn(u32) -> String;

struct Beside<W> {
    walk: W,
    db: SqliteConnection,
    rows: Rows,
    pages: u32,
}

impl<W: Walk> Walk for Beside<W> {
    type Error = W::Error;

    fn begin(&mut self, db: &mut Db) -> Result<(), Failure<W::Error>> {
        self.walk.begin(db)
    }

    fn page(&mut self, db: &mut Db, audit: &mut Audit) -> Result<bool, Failure<W::Error>> {
        self.pages += 1;
        assert!(self.pages < MOST, "it follows what is written");
        self.db.batch_execute(&(self.rows)(self.pages)).expect("is written");
        self.walk.page(db, audit)
    }
}

/// What a walk finds in a database that had the first rows when it began, and gets more before each page.
pub async fn beside<W: Walk>(migrations: Migrations, rows: Rows, of: W) -> Audit {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("grows.db");
    let database = Database::open(&Url::file(&path), migrations).expect("opens");
    let mut db = connect(&path);
    db.batch_execute(&rows(0)).expect("is written");
    walk(&database, Beside { walk: of, db, rows, pages: 0 }, Audit::default()).await.expect("ends")
}

fn connect(path: &Path) -> SqliteConnection {
    SqliteConnection::establish(&path.display().to_string()).expect("connects")
}

/// A thousand rows of `select`, in which `n` counts on from number to number.
pub fn thousand(number: u32, into: &str, select: &str) -> String {
    format!(
        "insert into {into} with recursive counted(k) as (select 1 union all select k + 1 from counted where k < 1000),
                                 numbers(n) as (select {number} * 1000 + k from counted)
         select {select} from numbers;"
    )
}
