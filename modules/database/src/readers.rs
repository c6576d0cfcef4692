//! Read connections: a small pool, each read in a transaction of its own.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use r2d2::{ManageConnection, Pool};

use crate::{Db, Failure, OpenError, StorageError, Url, connection};

const MOST_CONNECTIONS: u32 = 8;
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Readers(Pool<Manager>);

impl Readers {
    pub(crate) fn new(url: &Url) -> Self {
        let pool = Pool::builder()
            .max_size(MOST_CONNECTIONS)
            .min_idle(Some(0))
            .test_on_check_out(false)
            .connection_timeout(PATIENCE)
            .build_unchecked(Manager(url.clone()));
        Self(pool)
    }

    pub(crate) fn run<T, E>(&self, work: impl FnOnce(&mut Db) -> Result<T, Failure<E>>) -> Result<T, Failure<E>> {
        let mut db = self.0.get().map_err(|error| {
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
