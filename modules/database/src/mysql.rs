//! MySQL, MariaDB and what speaks like them: the settings every connection must have, and the workers that write.

mod migrating;
mod repeatable;
mod worker;

use std::fmt;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use url::Url;

pub(crate) use migrating::Migrating;
pub(crate) use repeatable::Repeatable;
pub(crate) use worker::Workers;

use crate::{Db, OpenError, StorageError};

/// A database of a server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Server(Url);

/// What no server may choose for us. How names are compared the tables say themselves.
const SESSION: &str = "set session sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,\
    ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,ONLY_FULL_GROUP_BY', \
    innodb_lock_wait_timeout = 2, lc_messages = 'en_US', autocommit = 0";

impl Server {
    /// Reads `mysql://user:password@host:port/database`.
    pub(crate) fn parse(text: &str) -> Result<Self, OpenError> {
        let refused = |why: &str| OpenError::ServerUrl(why.to_owned());
        let url = Url::parse(text).map_err(|error| refused(&error.to_string()))?;
        if url.query_pairs().any(|(key, _)| key == "ssl_mode") {
            return Err(refused(
                "ssl_mode is not heard by libmariadb; give ssl_ca, and only an encrypted connection is used",
            ));
        }
        let name = url.path().trim_start_matches('/');
        let plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if name.is_empty() || name.len() > 64 || !plain(name) {
            return Err(refused("the name of the database has 1 to 64 letters, digits, _ and -"));
        }
        Ok(Self(url))
    }

    /// The name of the database.
    pub(crate) fn database(&self) -> &str {
        self.0.path().trim_start_matches('/')
    }

    /// Whether the database was ever created.
    pub(crate) fn exists(&self) -> Result<bool, OpenError> {
        let Err(error) = self.connect(&self.0) else { return Ok(true) };
        // Its words depend on the server's language, so the server is asked once more, and for what there is.
        let mut mysql = self.without_database()?;
        let named = schemata::table.filter(schemata::schema_name.eq(self.database())).count();
        match named.get_result(&mut mysql) {
            Ok(0_i64) => Ok(false),
            // Somebody has just made it, or it was something else.
            Ok(_) => self.connect(&self.0).map(|_| true),
            Err(_) => Err(error),
        }
    }

    fn without_database(&self) -> Result<MysqlConnection, OpenError> {
        let mut server = self.0.clone();
        server.set_path("/");
        self.connect(&server)
    }

    /// Creates the database if it is not there and the account may.
    pub(crate) fn create(&self) -> Result<(), OpenError> {
        if self.exists()? {
            return Ok(());
        }
        let mut mysql = self.without_database()?;
        let name = self.database();
        let create = format!("create database if not exists `{name}` character set utf8mb4 collate utf8mb4_bin");
        mysql.batch_execute(&create).map_err(|error| self.failed(&error))
    }

    /// A connection that cannot write, whose transactions see one state.
    pub(crate) fn open_reader(&self) -> Result<Db, OpenError> {
        self.open("repeatable read, read only").map(Db::Mysql)
    }

    /// A connection that writes.
    pub(crate) fn open_writer(&self) -> Result<Db, OpenError> {
        self.open("read committed, read write").map(Db::Mysql)
    }

    fn open(&self, transactions: &str) -> Result<MysqlConnection, OpenError> {
        let mut mysql = self.connect(&self.0)?;
        let settings = format!("{SESSION}; set session transaction isolation level {transactions}");
        mysql.batch_execute(&settings).map_err(|error| self.failed(&error))?;
        Ok(mysql)
    }

    fn connect(&self, url: &Url) -> Result<MysqlConnection, OpenError> {
        let established = MysqlConnection::establish(url.as_str());
        let mut mysql = established.map_err(|error| OpenError::Connection(format!("{self}: {error}")))?;
        self.check_encryption(&mut mysql)?;
        Ok(mysql)
    }

    /// Where certificates are given to trust in, a connection that is not encrypted is not used: the client library takes
    /// it when the server offers nothing else.
    fn check_encryption(&self, mysql: &mut MysqlConnection) -> Result<(), OpenError> {
        #[derive(QueryableByName)]
        struct Cipher {
            #[diesel(sql_type = diesel::sql_types::Text, column_name = "Value")]
            value: String,
        }
        if !self.0.query_pairs().any(|(key, _)| key == "ssl_ca") {
            return Ok(());
        }
        #[expect(clippy::disallowed_methods, reason = "the state of a session has no query builder")]
        let found = diesel::sql_query("show session status like 'Ssl_cipher'").get_result::<Cipher>(mysql);
        match found {
            Ok(cipher) if !cipher.value.is_empty() => Ok(()),
            _ => Err(OpenError::Connection(format!("{self}: the connection is not encrypted, though ssl_ca is given"))),
        }
    }

    /// Warns when the server may forget what it said was committed.
    pub(crate) fn check_durability(&self, db: &mut Db) -> Result<(), OpenError> {
        #[derive(QueryableByName)]
        struct Found {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            flush: i64,
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            logs: i64,
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            sync: i64,
        }
        let Db::Mysql(mysql) = db else { return Ok(()) };
        let query = "select cast(@@innodb_flush_log_at_trx_commit as signed) as flush, \
            cast(@@log_bin as signed) as logs, cast(@@sync_binlog as signed) as sync";
        #[expect(clippy::disallowed_methods, reason = "server settings have no query builder")]
        let found: Found = diesel::sql_query(query).get_result(mysql).map_err(|error| self.failed(&error))?;
        if found.flush != 1 {
            tracing::warn!(server = %self, "innodb_flush_log_at_trx_commit is {}, not 1: what is answered may be lost", found.flush);
        }
        if found.logs == 1 && found.sync != 1 {
            tracing::warn!(server = %self, "sync_binlog is {}, not 1: replicas may lack what is answered", found.sync);
        }
        Ok(())
    }

    fn failed(&self, error: &diesel::result::Error) -> OpenError {
        OpenError::Connection(format!("{self}: {error}"))
    }
}

diesel::table! {
    information_schema.schemata (schema_name) {
        schema_name -> Text,
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", crate::Url::hide(self.0.as_str()))
    }
}

/// What the server said, where it is more than a statement that failed; the client library tells its number to nobody.
pub(crate) fn error_of(message: &str) -> Option<StorageError> {
    // Servers and their client libraries do not agree on capitals.
    let message = message.to_ascii_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    if says(&["deadlock found", "lock wait timeout exceeded", "record has changed since last read"]) {
        Some(StorageError::Conflict)
    } else if says(&[
        "server has gone away",
        "lost connection to",
        "connection was killed",
        "shutdown in progress",
        "because of inactivity",
    ]) {
        Some(StorageError::Lost)
    } else if says(&["no space left on device", "disk full", "disk is full"])
        || (message.starts_with("the table '") && message.ends_with("' is full"))
    {
        Some(StorageError::Full)
    } else if says(&["--read-only option", "read_only"]) {
        Some(StorageError::Locked)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_database_and_hides_its_password() {
        let server = Server::parse("mysql://shop:s%40cret@db.internal:3306/shopdb").expect("a server");
        assert_eq!(server.database(), "shopdb");
        assert!(!server.to_string().contains("cret"), "{server}");
        for bad in ["mysql://db/", "mysql://db", "mysql://db/a`b", "mysql://db/a/b", "mysql://[/x"] {
            assert!(Server::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        let deadlock = "Deadlock found when trying to get lock; try restarting transaction";
        assert!(matches!(error_of(deadlock), Some(StorageError::Conflict)));
        for lost in ["Lost connection to server during query", "Server has gone away", "MySQL server has gone away"] {
            assert!(matches!(error_of(lost), Some(StorageError::Lost)), "{lost}");
        }
        assert!(matches!(error_of("The table 'entry' is full"), Some(StorageError::Full)));
        assert!(error_of("Unknown column 'x' in 'field list'").is_none());
    }
}
