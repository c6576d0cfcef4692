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
            .test_on_check_out(false)
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
        let mut db = self.pool.get().map_err(|error| {
            tracing::warn!(%error, "no read connection");
            StorageError::Locked
        })?;
        db.batch_execute("begin")?;
        let open = End(&mut db);
        work(open.0)
    }
}

/// Ends a read transaction, also when the work panics: an open one would keep the log from being written back.
struct End<'a>(&'a mut Db);

impl Drop for End<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.batch_execute("rollback") {
            tracing::warn!(%error, "a read transaction could not be ended");
        }
    }
}

struct Manager(Url);

impl ManageConnection for Manager {
    type Connection = Db;
    type Error = OpenError;

    fn connect(&self) -> Result<Db, OpenError> {
        connection::open_reader(&self.0)
    }

    fn is_valid(&self, db: &mut Db) -> Result<(), OpenError> {
        db.batch_execute("select 1").map_err(|error| OpenError::Connection(error.to_string()))
    }

    fn has_broken(&self, _: &mut Db) -> bool {
        false
    }
}
