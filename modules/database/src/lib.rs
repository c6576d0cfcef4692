//! One database per module: read connections, the writer that commits in groups, migrations, and the tables every
//! module has (idempotency keys, outbox). The only place that knows one engine from another.

mod backup;
mod cache;
mod connection;
mod failure;
pub mod idempotency;
mod log;
mod migrate;
pub mod outbox;
mod queue;
mod readers;
mod savepoint;
mod schema;
mod statement;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use emporium_kernel::{Fault, Outage, failpoint};
use tokio::sync::{oneshot, watch};

pub use backup::backup;
pub use cache::{Generation, ReadCache, Stale};
pub use connection::{Db, Url};
pub use failure::{Failure, StorageError, refuse};
pub use migrate::{MigrationError, Migrations, embedded};
pub use queue::Lane;
pub use savepoint::savepoint;
pub use statement::{Run, prelude};

use queue::{Queue, Task};
use readers::Readers;
use writer::Writer;

/// What can go wrong when a database is opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no engine of this build.
    #[error("{0} is not a database of this build; write sqlite://path/to/file.db")]
    UnknownUrl(String),
    /// Another process has it.
    #[error("{0} is in use by another process; stop it first, or use a command that only reads")]
    InUse(PathBuf),
    /// The file, its folder or its lock cannot be used.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The engine refused the connection or a setting.
    #[error("the database could not be set up: {0}")]
    Connection(String),
    /// A migration failed, or the schema is newer than this build.
    #[error(transparent)]
    Migration(#[from] MigrationError),
}

/// A module's database.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    queue: Option<Arc<Queue>>,
    readers: Readers,
    commits: watch::Receiver<u64>,
    writer: std::sync::Mutex<Option<std::thread::JoinHandle<()>>>,
    path: PathBuf,
}

impl Database {
    /// Creates the database if it is not there, migrates it, and takes it for this process alone.
    pub fn open(url: &Url, migrations: Migrations) -> Result<Self, OpenError> {
        Self::open_limited(url, migrations, log::MOST_BYTES)
    }

    /// The same, but new work is refused already when the log is longer than this, in bytes.
    pub fn open_limited(url: &Url, migrations: Migrations, most_log: u64) -> Result<Self, OpenError> {
        let lock = connection::lock(url)?;
        let mut first = connection::open_writer(url)?;
        migrations.run(&mut first)?;
        let (changed, commits) = watch::channel(0);
        let queue = Arc::new(Queue::default());
        let writer = Writer::new(first, url, queue.clone(), changed, lock, most_log)?.start()?;
        Ok(Self::of(url, Some(queue), commits, Some(writer)))
    }

    /// Opens an existing database beside the process that owns it; every write is refused.
    pub fn open_read_only(url: &Url, migrations: Migrations) -> Result<Self, OpenError> {
        migrations.check(&mut connection::open_reader(url)?)?;
        let (_, commits) = watch::channel(0);
        Ok(Self::of(url, None, commits, None))
    }

    fn of(
        url: &Url,
        queue: Option<Arc<Queue>>,
        commits: watch::Receiver<u64>,
        writer: Option<std::thread::JoinHandle<()>>,
    ) -> Self {
        let (readers, path) = (Readers::new(url), url.path().to_owned());
        Self(Arc::new(Inner { queue, readers, commits, writer: writer.into(), path }))
    }

    /// Where it is stored.
    pub fn path(&self) -> &std::path::Path {
        &self.0.path
    }

    /// Runs `work` on a read connection, in one transaction: it sees one state of the database.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Db) -> Result<T, Failure<E>> + Send + 'static,
        T: Send + 'static,
        E: Fault,
    {
        let inner = self.0.clone();
        let turn = inner.readers.turn().await.map_err(|error| Failure::<E>::Storage(error).into_fault())?;
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            inner.readers.run(work)
        });
        let done = done.await;
        done.unwrap_or_else(|_| Err(Failure::Storage(StorageError::Panicked))).map_err(Failure::into_fault)
    }

    /// Runs `work` as a transaction of its own and answers when it is durable.
    ///
    /// `work` may run several times, so identifiers, time and chance are captured values, and it begins with
    /// inserting its command id or is naturally repeatable. It does nothing but database work.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: Fn(&mut Db) -> Result<T, Failure<E>> + Send + 'static,
        T: Send + 'static,
        E: Fault,
    {
        self.write_in(Lane::New, work).await
    }

    /// [`Database::write`] in a lane: what continues a saga or sweeps goes before new work.
    pub async fn write_in<T, E, F>(&self, lane: Lane, work: F) -> Result<T, E>
    where
        F: Fn(&mut Db) -> Result<T, Failure<E>> + Send + 'static,
        T: Send + 'static,
        E: Fault,
    {
        let Some(queue) = &self.0.queue else {
            tracing::error!("a write on a database that was opened for reading");
            return Err(Outage::Internal.into());
        };
        let (reply, answer) = oneshot::channel();
        queue.push(lane, Task::boxed(work, reply)).map_err(|error| Failure::<E>::Storage(error).into_fault())?;
        let done = answer.await;
        done.unwrap_or_else(|_| Err(Failure::Storage(StorageError::Stopped))).map_err(Failure::into_fault)
    }

    /// [`Database::write_in`] for a step that others build on, which must survive a crash at any moment: a test can end
    /// the process just before and just after its commit.
    pub async fn write_step<T, E, F>(&self, step: &'static str, lane: Lane, work: F) -> Result<T, E>
    where
        F: Fn(&mut Db) -> Result<T, Failure<E>> + Send + 'static,
        T: Send + 'static,
        E: Fault,
    {
        let work = move |db: &mut Db| {
            let done = work(db)?;
            failpoint(step, "before_commit");
            Ok(done)
        };
        let done = self.write_in(lane, work).await;
        failpoint(step, "after_commit");
        done
    }

    /// Whether it was opened for reading only, beside the process that owns it.
    pub fn is_read_only(&self) -> bool {
        self.0.queue.is_none()
    }

    /// Changes whenever something was committed.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.0.commits.clone()
    }

    /// Whether it answers: what readiness asks. A writer that is merely busy or waits for room on the disk is alive.
    pub async fn is_ready(&self) -> bool {
        let reads = self.read::<_, Outage, _>(|_| Ok(())).await;
        let writes = match self.is_read_only() {
            true => Ok(()),
            false => self.write_in::<_, Outage, _>(Lane::Continuation, |_| Ok(())).await,
        };
        let alive = |answer| matches!(answer, Ok(()) | Err(Outage::Busy | Outage::StorageFull));
        alive(reads) && alive(writes)
    }

    /// Finishes what is queued, writes the log back into the file and gives the database free.
    pub fn close(&self) {
        if let Some(queue) = &self.0.queue {
            queue.close();
        }
        let writer = self.0.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            tracing::error!("the writer ended with a panic");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            queue.close();
        }
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Database({})", self.0.path.display())
    }
}
