//! The workers that write: each has a connection and carries out one job after another, each in a transaction of its own.
//!
//! The server may end a transaction for the sake of another one, or the connection may be lost. Then the job is run
//! again from its start. When the connection is lost in a commit, nobody knows whether it was done; running the job again
//! finds out, since it begins with its command id or is naturally repeatable.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use emporium_kernel::loses_commits;
use tokio::sync::watch;

use super::Server;
use crate::queue::{Found, Job, Queue, count_commit};
use crate::statement::Control;
use crate::{Db, OpenError, StorageError};

/// Connections that write.
const WORKERS: usize = 8;
/// How often a job is run at most.
const MOST_RUNS: u32 = 6;
/// For how long a job is run again.
const PATIENCE: Duration = Duration::from_secs(5);
/// The first pause before a job is run again; each is twice as long as the one before.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a worker waits for a job before it looks again.
const IDLE: Duration = Duration::from_secs(1);

/// All workers of a database.
pub(crate) struct Workers;

impl Workers {
    /// Starts them; they connect when they have something to do.
    pub(crate) fn start(
        server: &Server,
        queue: &Arc<Queue>,
        changed: watch::Sender<u64>,
    ) -> Result<Vec<JoinHandle<()>>, OpenError> {
        let changed = Arc::new(changed);
        let start = |number| {
            let (server, queue, changed) = (server.clone(), queue.clone(), changed.clone());
            let worker = Worker { number, server, queue, changed, db: None };
            let thread = std::thread::Builder::new().name(format!("{}-{number}", worker.server.database()));
            thread.spawn(move || worker.run()).map_err(|error| OpenError::Connection(error.to_string()))
        };
        (1..=WORKERS).map(start).collect()
    }
}

struct Worker {
    number: usize,
    server: Server,
    queue: Arc<Queue>,
    changed: Arc<watch::Sender<u64>>,
    /// Absent until the first job, and after the connection was lost.
    db: Option<Db>,
}

/// How one run of a job ended.
enum Run {
    /// Committed.
    Done,
    /// With an answer of its own, which changes nothing.
    Refused,
    /// The server did not do it, and would not the next time either.
    Failed(StorageError),
    /// Undone, for a reason that passes. With the reason, if the job itself does not know it.
    Undone(Option<StorageError>),
    /// Nobody knows: the connection was lost in the commit.
    Unknown,
}

impl Worker {
    fn run(mut self) {
        loop {
            match self.queue.wait(IDLE) {
                Found::Job(job) => self.carry_out(job),
                Found::Nothing => {}
                Found::Closed => return,
            }
        }
    }

    /// Runs a job until it is done, refused or hopeless, and answers it.
    fn carry_out(&mut self, mut job: Box<dyn Job>) {
        let began = now();
        let mut unknown = false;
        for runs in 1.. {
            let last = runs == MOST_RUNS || began.elapsed() > PATIENCE;
            match self.run_once(&mut *job) {
                Run::Done if runs == 1 && loses_commits() => unknown = true,
                Run::Done => {
                    count_commit(self.server.database(), 1);
                    self.changed.send_modify(|commits| *commits += 1);
                    return job.answer();
                }
                // What the storage refuses now it may have done before.
                Run::Refused if unknown && job.failure().is_some() => return job.fail(StorageError::Unknown),
                Run::Failed(_) if unknown => return job.fail(StorageError::Unknown),
                Run::Refused => return job.answer(),
                Run::Failed(error) => return job.fail(error),
                Run::Unknown if last => return job.fail(StorageError::Unknown),
                Run::Undone(_) if last && unknown => return job.fail(StorageError::Unknown),
                Run::Undone(Some(error)) if last => return job.fail(error),
                Run::Undone(None) if last => {
                    let error = job.failure().map(ToString::to_string);
                    tracing::warn!(error, database = self.server.database(), "work was run in vain {runs} times");
                    return job.fail(StorageError::Conflict);
                }
                Run::Unknown => unknown = true,
                Run::Undone(_) => {}
            }
            self.pause(runs);
        }
    }

    fn run_once(&mut self, job: &mut dyn Job) -> Run {
        let db = match self.connection() {
            Ok(db) => db,
            Err(error) => {
                tracing::warn!(%error, "the database does not answer");
                return Run::Undone(Some(StorageError::Lost));
            }
        };
        if job.run(db) {
            return self.commit();
        }
        let failure = job.failure();
        // A server that only reads now was the writer before: whoever is it now is found by connecting anew.
        let moved = matches!(failure, Some(StorageError::Lost | StorageError::Locked));
        if moved || self.roll_back().is_err() {
            self.db = None;
            if failure.is_some() && !moved {
                return Run::Undone(Some(StorageError::Lost));
            }
        }
        if failure.is_some_and(StorageError::passes) { Run::Undone(None) } else { Run::Refused }
    }

    fn commit(&mut self) -> Run {
        let Some(Db::Mysql(mysql)) = &mut self.db else { return Run::Undone(Some(StorageError::Lost)) };
        let committed = diesel::Connection::execute_returning_count(mysql, &Control("commit"));
        let error = match committed.map_err(StorageError::of) {
            Ok(_) => return Run::Done,
            Err(error) => error,
        };
        if matches!(error, StorageError::Lost) {
            self.db = None;
            return Run::Unknown;
        }
        if self.roll_back().is_err() {
            self.db = None;
            return Run::Unknown;
        }
        tracing::warn!(%error, database = self.server.database(), "a commit failed");
        if error.passes() { Run::Undone(Some(error)) } else { Run::Failed(error) }
    }

    fn roll_back(&mut self) -> diesel::QueryResult<()> {
        self.db.as_mut().map_or(Ok(()), |db| crate::statement::control(db, "rollback"))
    }

    fn connection(&mut self) -> Result<&mut Db, OpenError> {
        let db = match self.db.take() {
            Some(db) => db,
            None => self.server.open_writer()?,
        };
        Ok(self.db.insert(db))
    }

    /// Each worker waits another part of the pause, so that those who met do not meet again.
    fn pause(&self, runs: u32) {
        let longest = PAUSE * (1 << runs.min(6));
        let part = u32::try_from(self.number).unwrap_or(1);
        std::thread::sleep(longest * part / u32::try_from(WORKERS).unwrap_or(1));
    }
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "measures how long a job has been tried")]
    Instant::now()
}
