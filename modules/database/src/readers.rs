//! Read connections: a small pool, each read in a transaction of its own.

use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use r2d2::{ManageConnection, Pool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Db, Failure, OpenError, StorageError, Url, connection};

const MOST_CONNECTIONS: usize = 8;
/// Reads that wait for a connection at most; the next is refused at once.
const MOST_WAITING: usize = 1_024;
const PATIENCE: Duration = Duration::from_secs(5);
/// For how long a connection to a server is taken for alive without asking.
#[cfg(feature = "mysql")]
const FRESH: Duration = Duration::from_secs(1);

pub(crate) struct Readers {
    pool: Pool<Manager>,
    /// As many as there are connections: who has none waits here and keeps no thread busy.
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// The right to use one of the connections.
pub(crate) struct Turn {
    _turn: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Readers {
    pub(crate) fn new(url: &Url) -> Self {
        let pool = Pool::builder()
            .max_size(u32::try_from(MOST_CONNECTIONS).unwrap_or(u32::MAX))
            .min_idle(Some(0))
            .test_on_check_out(true)
            .connection_timeout(PATIENCE)
            .build_unchecked(Manager(url.clone()));
        let permits = |count| Arc::new(Semaphore::new(count));
        Self { pool, turns: permits(MOST_CONNECTIONS), places: permits(MOST_CONNECTIONS + MOST_WAITING) }
    }

    /// Waits until a connection is free, though not for ever; refuses at once when too many wait.
    pub(crate) async fn turn(&self) -> Result<Turn, StorageError> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| StorageError::QueueFull)?;
        match tokio::time::timeout(PATIENCE, self.turns.clone().acquire_owned()).await {
            Ok(Ok(turn)) => Ok(Turn { _turn: turn, _place: place }),
            Ok(Err(_)) => Err(StorageError::Stopped),
            Err(_) => Err(StorageError::QueueFull),
        }
    }

    pub(crate) fn run<T, E>(&self, work: impl FnOnce(&mut Db) -> Result<T, Failure<E>>) -> Result<T, Failure<E>> {
        let mut reader = self.pool.get().map_err(|error| {
            tracing::warn!(%error, "no read connection");
            StorageError::Lost
        })?;
        reader.begin()?;
        let open = End(&mut reader);
        work(&mut open.0.db)
    }
}

/// A read connection in the pool.
struct Reader {
    db: Db,
    /// Whether it can no longer be used.
    broken: bool,
    /// When it was last seen alive.
    #[cfg(feature = "mysql")]
    used: std::time::Instant,
}

impl Reader {
    fn begin(&mut self) -> diesel::QueryResult<()> {
        match &mut self.db {
            Db::Sqlite(sqlite) => sqlite.batch_execute("begin"),
            // There what is read first begins it.
            #[cfg(feature = "mysql")]
            Db::Mysql(_) => Ok(()),
        }
    }

    fn end(&mut self) -> diesel::QueryResult<()> {
        match &mut self.db {
            Db::Sqlite(sqlite) => sqlite.batch_execute("rollback"),
            #[cfg(feature = "mysql")]
            Db::Mysql(mysql) => {
                self.used = now();
                diesel::Connection::execute_returning_count(mysql, &crate::statement::Control("commit")).map(drop)
            }
        }
    }
}

/// Ends a read transaction, also when the work panics: an open one would keep the log from being written back.
struct End<'a>(&'a mut Reader);

impl Drop for End<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.end() {
            tracing::warn!(%error, "a read transaction could not be ended");
            self.0.broken = true;
        }
    }
}

struct Manager(Url);

impl ManageConnection for Manager {
    type Connection = Reader;
    type Error = OpenError;

    fn connect(&self) -> Result<Reader, OpenError> {
        let db = connection::open_reader(&self.0)?;
        Ok(Reader {
            db,
            broken: false,
            #[cfg(feature = "mysql")]
            used: now(),
        })
    }

    fn is_valid(&self, reader: &mut Reader) -> Result<(), OpenError> {
        match &mut reader.db {
            Db::Sqlite(_) => Ok(()),
            #[cfg(feature = "mysql")]
            Db::Mysql(_) if reader.used.elapsed() < FRESH => Ok(()),
            #[cfg(feature = "mysql")]
            Db::Mysql(_) => reader.end().map_err(|error| OpenError::Connection(error.to_string())),
        }
    }

    fn has_broken(&self, reader: &mut Reader) -> bool {
        reader.broken
    }
}

#[cfg(feature = "mysql")]
fn now() -> std::time::Instant {
    #[expect(clippy::disallowed_methods, reason = "measures how long a connection was idle")]
    std::time::Instant::now()
}
