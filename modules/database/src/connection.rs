//! Connections: which engine a URL means, and the settings every connection must have.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use crate::OpenError;

/// A connection to whichever engine the module runs on.
#[derive(diesel::MultiConnection)]
pub enum Db {
    /// SQLite, bundled.
    Sqlite(SqliteConnection),
}

/// Where a database is: `sqlite://` and a path, relative to the working directory or absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(PathBuf);

impl Url {
    /// Reads a URL.
    pub fn parse(text: &str) -> Result<Self, OpenError> {
        match text.strip_prefix("sqlite://") {
            Some(path) if !path.is_empty() && !path.contains('?') => Ok(Self(path.into())),
            _ => Err(OpenError::UnknownUrl(text.to_owned())),
        }
    }

    /// The database file at `path`.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::File { path, source }
}

/// Creates the folder of a database, for its owner alone.
pub(crate) fn create_folder(url: &Url) -> Result<(), OpenError> {
    let folder = url.path().parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed(folder))
}

/// Opens a file, creating it for its owner alone.
pub(crate) fn create_file(path: &Path) -> Result<File, OpenError> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(failed(path))
}

/// Creates the file readable by its owner alone and takes the lock that keeps a second process out.
pub(crate) fn lock(url: &Url) -> Result<File, OpenError> {
    create_folder(url)?;
    create_file(url.path())?;
    let mut name = url.path().as_os_str().to_owned();
    name.push(".lock");
    let path = PathBuf::from(name);
    let lock = create_file(&path)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(url.path().to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(&path)(source)),
    }
}

/// How long the writer, and a migration before it, waits for a process that holds the database, in milliseconds.
pub(crate) const LOCK_PATIENCE_MS: u32 = 1_000;

/// The only connection that writes.
pub(crate) fn open_writer(url: &Url) -> Result<Db, OpenError> {
    let mut db = establish(url)?;
    set(&mut db, "pragma journal_mode = wal; pragma synchronous = full; pragma wal_autocheckpoint = 0;")?;
    set(&mut db, &format!("pragma busy_timeout = {LOCK_PATIENCE_MS}; pragma cache_size = -16384;"))?;
    check(&mut db)?;
    Ok(db)
}

/// A connection that cannot write.
pub(crate) fn open_reader(url: &Url) -> Result<Db, OpenError> {
    let mut db = open_copier(url)?;
    set(&mut db, "pragma query_only = on;")?;
    Ok(db)
}

/// A connection that copies a database, for which SQLite wants one that may write.
pub(crate) fn open_copier(url: &Url) -> Result<Db, OpenError> {
    if !url.path().exists() {
        let source = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(OpenError::File { path: url.path().to_owned(), source });
    }
    let mut db = establish(url)?;
    set(&mut db, "pragma synchronous = full;")?;
    Ok(db)
}

fn establish(url: &Url) -> Result<Db, OpenError> {
    let path = url.path().to_str().ok_or_else(|| OpenError::UnknownUrl(url.path().display().to_string()))?;
    let connection = SqliteConnection::establish(path).map_err(|error| OpenError::Connection(error.to_string()))?;
    let mut db = Db::Sqlite(connection);
    let settings = "pragma busy_timeout = 5000; pragma foreign_keys = on; pragma temp_store = memory; \
        pragma trusted_schema = off; pragma cell_size_check = on; pragma cache_size = -4096;";
    set(&mut db, settings)?;
    Ok(db)
}

fn set(db: &mut Db, pragmas: &str) -> Result<(), OpenError> {
    db.batch_execute(pragmas).map_err(|error| OpenError::Connection(error.to_string()))
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
fn check(db: &mut Db) -> Result<(), OpenError> {
    let query = "select sqlite_version() as version, j.journal_mode as journal, s.synchronous as synchronous \
        from pragma_journal_mode j, pragma_synchronous s";
    let Db::Sqlite(sqlite) = db;
    #[expect(clippy::disallowed_methods, reason = "pragmas have no query builder")]
    let found: Durability =
        diesel::sql_query(query).get_result(sqlite).map_err(|error| OpenError::Connection(error.to_string()))?;
    let version: Vec<u32> = found.version.split('.').filter_map(|part| part.parse().ok()).collect();
    if version.as_slice() < OLDEST_SQLITE.as_slice() {
        return Err(OpenError::Connection(format!("SQLite {} is too old", found.version)));
    }
    if found.journal != "wal" || found.synchronous != 2 {
        let why = format!("journal_mode is {}, synchronous is {}", found.journal, found.synchronous);
        return Err(OpenError::Connection(why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_chooses_the_engine() {
        assert_eq!(Url::parse("sqlite://data/shop.db").map(|u| u.path().to_owned()).ok(), Some("data/shop.db".into()));
        for bad in ["data/shop.db", "postgres://x", "sqlite://", "sqlite://a.db?mode=memory"] {
            assert!(Url::parse(bad).is_err(), "{bad}");
        }
    }
}
