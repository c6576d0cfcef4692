//! One database per module: read connections, the writer that commits in groups, migrations, and the tables every
//! module has (idempotency keys, outbox, places in feeds, leases, audit log). The only place that knows one engine from another.

pub mod audit;
mod cache;
mod connection;
mod failure;
pub mod feed;
mod fixed;
pub mod idempotency;
pub mod lease;
mod migrate;
#[cfg(feature = "mysql")]
mod mysql;
pub mod outbox;
mod pair;
mod queue;
mod readers;
mod savepoint;
pub mod scan;
mod schema;
mod sqlite;
mod statement;
pub mod walk;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use emporium_kernel::{Fault, Outage, failpoint, roam, stand_back};
use tokio::sync::{oneshot, watch};

pub use cache::{Generation, ReadCache, Stale};
pub use connection::{Db, Url};
pub use failure::{Failure, StorageError, overtaken, refuse};
pub use fixed::{Is, is};
pub use migrate::{MigrationError, Migrations, embedded};
pub use pair::{Compared, Pair, pair};
pub use queue::Lane;
pub use savepoint::savepoint;
pub use sqlite::backup;
pub use statement::{Columns, KeptList, Rows, Run, Statement, few_lengths, prelude};

use connection::Place;
use queue::{Queue, Task};
use readers::Readers;

/// How old what was read from a server may become in memory.
const MOST_AGE: Duration = Duration::from_secs(1);

/// How long anybody waits for a server.
const MOST_PATIENCE: Duration = Duration::from_secs(30);

/// What can go wrong when a database is opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no engine of this build.
    #[error("{0} is not a database of this build; write sqlite://path/to/file.db")]
    UnknownUrl(String),
    /// The URL names a server, and this build cannot speak with one.
    #[error("this build holds SQLite alone; build with `--features mysql` for mysql://")]
    WithoutMysql,
    /// The URL of a server is not one.
    #[error("not a URL like mysql://user:password@host:3306/database: {0}")]
    ServerUrl(String),
    /// What works on files was asked of a server.
    #[error("{0} is kept by a server; use the server's own tools")]
    NotAFile(Url),
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
    writers: std::sync::Mutex<Vec<JoinHandle<()>>>,
    url: Url,
}

impl Database {
    /// Creates the database if it is not there and migrates it. A file is taken for this process alone.
    pub fn open(url: &Url, migrations: Migrations) -> Result<Self, OpenError> {
        Self::open_limited(url, migrations, sqlite::MOST_BYTES)
    }

    /// The same, but new work is refused already when the log of a file is longer than this, in bytes.
    pub fn open_limited(url: &Url, migrations: Migrations, most_log: u64) -> Result<Self, OpenError> {
        let (changed, commits) = watch::channel(0);
        let queue = Arc::new(Queue::default());
        let writers = match &url.0 {
            Place::File(path) => vec![open_file(path, migrations, &queue, changed, most_log)?],
            #[cfg(feature = "mysql")]
            Place::Server(server) => open_server(server, migrations, &queue, changed)?,
        };
        Ok(Self::of(url, Some(queue), commits, writers))
    }

    /// Opens an existing database beside the process that owns it; every write is refused.
    pub fn open_read_only(url: &Url, migrations: Migrations) -> Result<Self, OpenError> {
        migrations.check(&mut connection::open_reader(url)?)?;
        let (_, commits) = watch::channel(0);
        Ok(Self::of(url, None, commits, Vec::new()))
    }

    fn of(url: &Url, queue: Option<Arc<Queue>>, commits: watch::Receiver<u64>, writers: Vec<JoinHandle<()>>) -> Self {
        let inner = Inner { queue, readers: Readers::new(url), commits, writers: writers.into(), url: url.clone() };
        Self(Arc::new(inner))
    }

    /// Where it is stored.
    pub fn url(&self) -> &Url {
        &self.0.url
    }

    /// A cache of what is read from it, at most so many. Where other processes may write, what is kept is at most a second
    /// old; what this process writes itself it must tell the cache of.
    pub fn cache<V: Clone>(&self, most: usize) -> ReadCache<V> {
        ReadCache::new(most, self.is_shared().then_some(MOST_AGE))
    }

    /// Whether other processes may write to it as well.
    pub fn is_shared(&self) -> bool {
        self.0.url.path().is_none()
    }

    /// Runs `work` on a read connection, in one transaction: it sees one state of the database.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Db) -> Result<T, Failure<E>> + Send + 'static,
        T: Send + 'static,
        E: Fault,
    {
        self.try_read(work).await.map_err(Failure::into_fault)
    }

    async fn try_read<T, E, F>(&self, work: F) -> Result<T, Failure<E>>
    where
        F: FnOnce(&mut Db) -> Result<T, Failure<E>> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let done = tokio::task::spawn_blocking(self.reading(work).await?);
        let done = self.0.in_time(done).await.ok_or(StorageError::Lost)?;
        done.unwrap_or_else(|_| Err(Failure::Storage(StorageError::Panicked)))
    }

    /// [`Database::read`] for a part of long work that nobody is in a hurry for, such as the proof of the books: in a
    /// thread that stands back behind all others. Only for short reads: what is read for long keeps the log long.
    pub async fn read_aside<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Db) -> Result<T, Failure<E>> + Send + 'static,
        T: Send + 'static,
        E: Fault,
    {
        let read = self.reading(work).await.map_err(|error| Failure::from(error).into_fault())?;
        let (reply, done) = oneshot::channel();
        let aside = move || {
            stand_back(STANDS_BACK);
            let _ = reply.send(read());
        };
        if let Err(error) = std::thread::Builder::new().name("aside".to_owned()).spawn(aside) {
            tracing::error!(%error, "a thread that reads could not be started");
            return Err(Failure::from(StorageError::Lost).into_fault());
        }
        let done = self.0.in_time(done).await.unwrap_or(Ok(Err(StorageError::Lost.into())));
        done.unwrap_or_else(|_| Err(StorageError::Panicked.into())).map_err(Failure::into_fault)
    }

    /// What reads, as soon as it may: in a thread that may wait for the disk.
    async fn reading<T, E, F>(
        &self,
        work: F,
    ) -> Result<impl FnOnce() -> Result<T, Failure<E>> + Send + use<T, E, F>, StorageError>
    where
        F: FnOnce(&mut Db) -> Result<T, Failure<E>> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let inner = self.0.clone();
        let turn = inner.readers.turn().await?;
        Ok(move || {
            roam();
            let _turn = turn;
            inner.readers.run(work)
        })
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
        self.try_write(lane, work).await.map_err(Failure::into_fault)
    }

    async fn try_write<T, E, F>(&self, lane: Lane, work: F) -> Result<T, Failure<E>>
    where
        F: Fn(&mut Db) -> Result<T, Failure<E>> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let queue = self.0.queue.as_ref().ok_or(StorageError::ReadOnly)?;
        let (reply, answer) = oneshot::channel();
        queue.push(lane, Task::boxed(work, reply))?;
        let answer = self.0.in_time(answer).await.ok_or(StorageError::Unknown)?;
        answer.unwrap_or_else(|_| Err(Failure::Storage(StorageError::Stopped)))
    }

    /// Refuses, while new work is refused, what a saga asks of this database for the first time. What is known was
    /// promised already, and its answer is given again.
    pub async fn admit<E, F>(&self, is_known: F) -> Result<(), E>
    where
        F: FnOnce(&mut Db) -> Result<bool, Failure<E>> + Send + 'static,
        E: Fault,
    {
        let admits_new = self.0.queue.as_ref().is_none_or(|queue| queue.admits_new());
        if admits_new || self.read(is_known).await? {
            return Ok(());
        }
        Err(Failure::from(StorageError::LogFull).into_fault())
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
        let reads = self.try_read::<_, Outage, _>(|_| Ok(())).await;
        let writes = match self.is_read_only() {
            true => Ok(()),
            false => self.try_write::<_, Outage, _>(Lane::Continuation, |_| Ok(())).await,
        };
        let alive = |answer| match answer {
            Err(Failure::Storage(error)) => error.is_alive(),
            Ok(()) | Err(Failure::Refused(_)) => true,
        };
        alive(reads) && alive(writes)
    }

    /// Finishes what is queued, writes the log back into the file and gives the database free.
    pub fn close(&self) {
        if let Some(queue) = &self.0.queue {
            queue.close();
        }
        let writers = std::mem::take(&mut *self.0.writers.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        for writer in writers {
            if self.is_shared() && !ends_in_time(&writer) {
                tracing::error!("a writer waits for a server that does not answer; it is left behind");
            } else if writer.join().is_err() {
                tracing::error!("a writer ended with a panic");
            }
        }
    }
}

/// How far reading aside stands back: a little behind the writers, whose orders somebody waits for.
const STANDS_BACK: i32 = 10;

fn ends_in_time(writer: &JoinHandle<()>) -> bool {
    let step = Duration::from_millis(5);
    let mut left = MOST_PATIENCE;
    while !writer.is_finished() && !left.is_zero() {
        std::thread::sleep(step);
        left = left.saturating_sub(step);
    }
    writer.is_finished()
}

fn open_file(
    path: &Path,
    migrations: Migrations,
    queue: &Arc<Queue>,
    changed: watch::Sender<u64>,
    most_log: u64,
) -> Result<JoinHandle<()>, OpenError> {
    let lock = sqlite::lock(path)?;
    let mut first = sqlite::open_writer(path)?;
    migrations.run(&mut first)?;
    sqlite::Writer::new(first, path, queue.clone(), changed, lock, most_log)?.start()
}

#[cfg(feature = "mysql")]
fn open_server(
    server: &mysql::Server,
    migrations: Migrations,
    queue: &Arc<Queue>,
    changed: watch::Sender<u64>,
) -> Result<Vec<JoinHandle<()>>, OpenError> {
    server.create()?;
    let mut first = server.open_writer()?;
    server.check_durability(&mut first)?;
    let migrating = mysql::Migrating::begin(server)?;
    migrations.run(&mut first)?;
    drop(migrating);
    mysql::Workers::start(server, queue, changed)
}

impl Inner {
    /// Waits for an answer: of a file as long as it takes, of a server, which may have vanished without a word, not for ever.
    async fn in_time<F: Future>(&self, answer: F) -> Option<F::Output> {
        if self.url.path().is_some() {
            return Some(answer.await);
        }
        tokio::time::timeout(MOST_PATIENCE, answer).await.ok()
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
        write!(f, "Database({})", self.0.url)
    }
}
