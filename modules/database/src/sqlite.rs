//! SQLite: the settings every connection must have, the lock that keeps a second process out, and the writer.

mod backup;
mod log;
mod writer;

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

pub use backup::backup;
pub(crate) use log::MOST_BYTES;
pub(crate) use writer::Writer;

use crate::{Db, OpenError};

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::File { path, source }
}

/// Creates the folder of a database, for its owner alone.
pub(crate) fn create_folder(path: &Path) -> Result<(), OpenError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed(folder))
}

/// Opens a file, creating it for its owner alone.
pub(crate) fn create_file(path: &Path) -> Result<File, OpenError> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(failed(path))
}

/// Takes the lock that keeps a second process out, and creates the file readable by its owner alone. One that is there is not
/// opened: to close it again would end the locks of whoever reads it in this process.
pub(crate) fn lock(path: &Path) -> Result<File, OpenError> {
    create_folder(path)?;
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let beside = PathBuf::from(name);
    let lock = create_file(&beside)?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => OpenError::InUse(path.to_owned()),
        TryLockError::Error(source) => failed(&beside)(source),
    })?;
    if !path.exists() {
        create_file(path)?;
    }
    Ok(lock)
}

/// How long the writer, and a migration before it, waits for a process that holds the database, in milliseconds.
pub(crate) const LOCK_PATIENCE_MS: u32 = 1_000;

/// The only connection that writes.
pub(crate) fn open_writer(path: &Path) -> Result<Db, OpenError> {
    let mut sqlite = establish(path)?;
    set(&mut sqlite, "pragma journal_mode = wal; pragma synchronous = full; pragma wal_autocheckpoint = 0;")?;
    set(&mut sqlite, &format!("pragma busy_timeout = {LOCK_PATIENCE_MS}; pragma cache_size = -16384;"))?;
    check(&mut sqlite)?;
    weaken(&mut sqlite)?;
    Ok(Db::Sqlite(sqlite))
}

/// A connection that cannot write.
pub(crate) fn open_reader(path: &Path) -> Result<Db, OpenError> {
    let mut sqlite = open_copier(path)?;
    set(&mut sqlite, "pragma query_only = on;")?;
    Ok(Db::Sqlite(sqlite))
}

/// A connection that copies a database, for which SQLite wants one that may write.
fn open_copier(path: &Path) -> Result<SqliteConnection, OpenError> {
    if !path.exists() {
        let source = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(OpenError::File { path: path.to_owned(), source });
    }
    let mut sqlite = establish(path)?;
    set(&mut sqlite, "pragma synchronous = full;")?;
    Ok(sqlite)
}

fn establish(path: &Path) -> Result<SqliteConnection, OpenError> {
    let path = path.to_str().ok_or_else(|| OpenError::UnknownUrl(path.display().to_string()))?;
    let mut sqlite = SqliteConnection::establish(path).map_err(|error| OpenError::Connection(error.to_string()))?;
    let settings = "pragma busy_timeout = 5000; pragma foreign_keys = on; pragma temp_store = memory; \
        pragma trusted_schema = off; pragma cell_size_check = on; pragma cache_size = -4096;";
    set(&mut sqlite, settings)?;
    Ok(sqlite)
}

fn set(sqlite: &mut SqliteConnection, pragmas: &str) -> Result<(), OpenError> {
    sqlite.batch_execute(pragmas).map_err(|error| OpenError::Connection(error.to_string()))
}

#[derive(QueryableByName)]
struct Durability {
    #[diesel(sql_type = diesel::sql_types::Text)]
    version: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    journal: String,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    synchronous: i64,
}

/// The first SQLite without the WAL-reset race that corrupts files.
const OLDEST_SQLITE: [u32; 3] = [3, 51, 3];

/// Reads the settings back: a database that is not durable, or an SQLite that corrupts, is not opened.
fn check(sqlite: &mut SqliteConnection) -> Result<(), OpenError> {
    let query = "select sqlite_version() as version, j.journal_mode as journal, s.synchronous as synchronous \
        from pragma_journal_mode j, pragma_synchronous s";
    #[expect(clippy::disallowed_methods, reason = "pragmas have no query builder")]
    let found: Durability =
        diesel::sql_query(query).get_result(sqlite).map_err(|error| OpenError::Connection(error.to_string()))?;
    found.check()
}

impl Durability {
    fn check(&self) -> Result<(), OpenError> {
        let version: Vec<u32> = self.version.split('.').filter_map(|part| part.parse().ok()).collect();
        if version.as_slice() < OLDEST_SQLITE.as_slice() {
            return Err(OpenError::Connection(format!("SQLite {} is too old", self.version)));
        }
        if self.journal != "wal" || self.synchronous != 2 {
            let why = format!("journal_mode is {}, synchronous is {}", self.journal, self.synchronous);
            return Err(OpenError::Connection(why));
        }
        Ok(())
    }
}

/// Makes commits wait for less than the disk, as the variable `TEST_FAILPOINT_SYNCHRONOUS` says, so that a test can see
/// that this is noticed from outside. Without the feature `failpoints` it does nothing.
fn weaken(sqlite: &mut SqliteConnection) -> Result<(), OpenError> {
    if cfg!(feature = "failpoints")
        && let Some(level) = std::env::var_os("TEST_FAILPOINT_SYNCHRONOUS")
    {
        set(sqlite, &format!("pragma synchronous = {};", level.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(version: &str, journal: &str, synchronous: i64) -> Option<String> {
        let found = Durability { version: version.to_owned(), journal: journal.to_owned(), synchronous };
        found.check().err().map(|error| error.to_string())
    }

    #[test]
    fn only_a_durable_database_and_an_sqlite_that_does_not_corrupt_it_are_accepted() {
        for version in ["3.51.3", "3.51.10", "3.53.0", "4.0.0"] {
            assert_eq!(refusal(version, "wal", 2), None, "{version}");
        }
        for version in ["3.51.2", "3.9.9", "3.51", "2.99.99"] {
            assert!(refusal(version, "wal", 2).is_some_and(|why| why.contains("too old")), "{version}");
        }
        for (journal, synchronous) in [("wal", 0), ("wal", 1), ("delete", 2), ("memory", 2), ("off", 2)] {
            let why = format!("journal_mode is {journal}, synchronous is {synchronous}");
            assert!(refusal("3.53.0", journal, synchronous).is_some_and(|said| said.ends_with(&why)), "{why}");
        }
    }

    #[test]
    fn what_is_checked_is_what_the_connection_says() {
        let mut sqlite = SqliteConnection::establish(":memory:").expect("connects");
        for (level, told) in [("off", 0), ("normal", 1), ("full", 2)] {
            set(&mut sqlite, &format!("pragma synchronous = {level};")).expect("sets");
            let why = check(&mut sqlite).expect_err("a database in memory keeps nothing").to_string();
            assert!(why.ends_with(&format!("journal_mode is memory, synchronous is {told}")), "{level}: {why}");
        }
    }
}
