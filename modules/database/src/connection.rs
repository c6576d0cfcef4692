//! Where a database is, and which engine's connection answers there.

use std::fmt;
use std::path::{Path, PathBuf};

#[cfg(feature = "mysql")]
use diesel::MysqlConnection;
use diesel::SqliteConnection;

use crate::OpenError;

/// A connection to whichever engine the module runs on.
#[derive(diesel::MultiConnection)]
pub enum Db {
    /// SQLite, bundled.
    Sqlite(SqliteConnection),
    /// MySQL, MariaDB, or what speaks like them.
    #[cfg(feature = "mysql")]
    Mysql(MysqlConnection),
}

/// Where a database is. Shown without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(pub(crate) Place);

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A file of SQLite's, relative to the working directory or absolute.
    File(PathBuf),
    /// A database of a server.
    #[cfg(feature = "mysql")]
    Server(crate::mysql::Server),
}

impl Url {
    /// Reads `sqlite://` and a path, or, with the feature `mysql`, `mysql://user:password@host:port/database`; after it may
    /// follow `?unix_socket=` or `?ssl_ca=`, a file with the certificates that the server's must come from.
    pub fn parse(text: &str) -> Result<Self, OpenError> {
        if text.starts_with("mysql://") {
            return Self::of_server(text);
        }
        match text.strip_prefix("sqlite://") {
            Some(path) if !path.is_empty() && !path.contains('?') => Ok(Self::file(path)),
            _ => Err(OpenError::UnknownUrl(Self::hide(text))),
        }
    }

    #[cfg(feature = "mysql")]
    fn of_server(text: &str) -> Result<Self, OpenError> {
        crate::mysql::Server::parse(text).map(|server| Self(Place::Server(server)))
    }

    #[cfg(not(feature = "mysql"))]
    fn of_server(_: &str) -> Result<Self, OpenError> {
        Err(OpenError::WithoutMysql)
    }

    /// The text of a URL without its password, whatever else may be wrong with it.
    pub fn hide(text: &str) -> String {
        let begin = text.find("://").map_or(0, |at| at + 3);
        let rest = &text[begin..];
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // A password with one of these signs in it is not written as it must be, but it is a password.
        let end = authority.rfind('@').or_else(|| rest.rfind('@')).unwrap_or(0);
        match rest[..end].find(':') {
            Some(colon) => format!("{}:…{}", &text[..begin + colon], &rest[end..]),
            None => text.to_owned(),
        }
    }

    /// The database file at `path`.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Place::File(path.into()))
    }

    /// Its file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Place::File(path) => Some(path),
            #[cfg(feature = "mysql")]
            Place::Server(_) => None,
        }
    }

    /// Whether the database was ever created.
    pub fn exists(&self) -> Result<bool, OpenError> {
        match &self.0 {
            Place::File(path) => Ok(path.exists()),
            #[cfg(feature = "mysql")]
            Place::Server(server) => server.exists(),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::File(path) => write!(f, "{}", path.display()),
            #[cfg(feature = "mysql")]
            Place::Server(server) => write!(f, "{server}"),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A connection that cannot write.
pub(crate) fn open_reader(url: &Url) -> Result<Db, OpenError> {
    match &url.0 {
        Place::File(path) => crate::sqlite::open_reader(path),
        #[cfg(feature = "mysql")]
        Place::Server(server) => server.open_reader(),
    }
}

/// A connection that writes; to a file, the only one there may be.
pub(crate) fn open_writer(url: &Url) -> Result<Db, OpenError> {
    match &url.0 {
        Place::File(path) => crate::sqlite::open_writer(path),
        #[cfg(feature = "mysql")]
        Place::Server(server) => server.open_writer(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let hidden = [
            ("mysql://shop:s3:cr@t@db:3306/shop?x=a@b:c", "mysql://shop:…@db:3306/shop?x=a@b:c"),
            ("postgres://u:p@h/d", "postgres://u:…@h/d"),
            ("mysql://shop@db/shop", "mysql://shop@db/shop"),
            ("sqlite://a:b@c.db", "sqlite://a:…@c.db"),
            ("data/shop.db", "data/shop.db"),
            ("mysql://shop:pa/s@s#1@db/shop", "mysql://shop:…@db/shop"),
            ("shop:pw@db/x", "shop:…@db/x"),
        ];
        for (text, shown) in hidden {
            assert_eq!(Url::hide(text), shown);
        }
    }

    #[test]
    fn the_scheme_chooses_the_engine() {
        let url = Url::parse("sqlite://data/shop.db").expect("a file");
        assert_eq!(url.path(), Some(Path::new("data/shop.db")));
        for bad in ["data/shop.db", "postgres://x", "sqlite://", "sqlite://a.db?mode=memory"] {
            assert!(Url::parse(bad).is_err(), "{bad}");
        }
    }
}
