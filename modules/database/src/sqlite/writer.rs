//! The SQLite writer: one thread owns the only writable connection and commits in groups.
//!
//! It takes the first waiting job, drains what queues up meanwhile, runs each inside a savepoint of one transaction,
//! commits once, and only then answers each.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use emporium_kernel::stand_back;
use tokio::sync::watch;

use super::log::Log;
use crate::failure::stop_the_process;
use crate::queue::{Found, Job, Queue, count_commit};
use crate::statement::control;
use crate::{Db, OpenError, StorageError};

const MOST_JOBS: usize = 256;
const MOST_WORK: Duration = Duration::from_millis(10);
/// How far the writer stands back behind the threads that answer: who is refused, or only reads, is answered at once also
/// while many orders are written, and what is written together is more.
const STANDS_BACK: i32 = 8;
/// How long the queue must be empty before the log is written back.
const IDLE: Duration = Duration::from_millis(200);

pub(crate) struct Writer {
    db: Db,
    path: PathBuf,
    name: String,
    queue: Arc<Queue>,
    changed: watch::Sender<u64>,
    log: Log,
    /// Held as long as the writer lives: it keeps a second process out.
    _lock: File,
}

impl Writer {
    /// Takes the database at `path`; new work is refused while its log is longer than `most_log` bytes.
    pub(crate) fn new(
        db: Db,
        path: &Path,
        queue: Arc<Queue>,
        changed: watch::Sender<u64>,
        lock: File,
        most_log: u64,
    ) -> Result<Self, OpenError> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let log = Log::new(path, &name, most_log)?;
        Ok(Self { db, path: path.to_owned(), name, queue, changed, log, _lock: lock })
    }

    pub(crate) fn start(self) -> Result<JoinHandle<()>, OpenError> {
        let path = self.path.clone();
        let thread = std::thread::Builder::new().name(format!("writer-{}", self.name));
        thread.spawn(move || self.run()).map_err(|source| OpenError::File { path, source })
    }

    fn run(mut self) {
        stand_back(STANDS_BACK);
        loop {
            let idle = match self.queue.wait(IDLE) {
                Found::Job(first) => {
                    self.batch(first);
                    false
                }
                Found::Nothing => true,
                Found::Closed => break,
            };
            if let Some(admitted) = self.log.tend(&mut self.db, idle) {
                self.queue.admit_new(admitted);
            }
        }
        self.log.close(&mut self.db);
    }

    /// Runs `first` and what has queued up behind it, and commits them together.
    fn batch(&mut self, first: Box<dyn Job>) {
        if let Err(error) = self.begin() {
            self.roll_back();
            return self.fail_all(first, &error);
        }
        let started = now();
        let (mut done, mut next) = (Vec::new(), Some(first));
        while let Some(mut job) = next.take() {
            let open = self.run_in_savepoint(&mut *job);
            done.push(job);
            if !open {
                return self.run_each_alone(done);
            }
            if done.len() < MOST_JOBS && started.elapsed() < MOST_WORK {
                next = self.queue.take();
            }
        }
        self.commit(done);
    }

    /// Nobody waits for his turn only to be told the same.
    fn fail_all(&self, first: Box<dyn Job>, error: &StorageError) {
        first.fail(error.again());
        while let Some(job) = self.queue.take() {
            job.fail(error.again());
        }
    }

    /// Whether the transaction is still open afterwards. A full disk, or a job that says `rollback`, ends it.
    fn run_in_savepoint(&mut self, job: &mut dyn Job) -> bool {
        if control(&mut self.db, "savepoint job").is_err() {
            return false;
        }
        let ready = job.run(&mut self.db) || control(&mut self.db, "rollback to job").is_ok();
        ready && control(&mut self.db, "release job").is_ok()
    }

    /// After a job ended the transaction of a batch: each again in a transaction of its own, in order, so that only
    /// the culprit fails.
    fn run_each_alone(&mut self, jobs: Vec<Box<dyn Job>>) {
        self.roll_back();
        for mut job in jobs {
            if let Err(error) = self.begin() {
                job.fail(error);
            } else if self.run_in_savepoint(&mut *job) {
                self.commit(vec![job]);
            } else {
                self.roll_back();
                job.fail_as_culprit();
            }
        }
    }

    fn begin(&mut self) -> Result<(), StorageError> {
        self.db.batch_execute("begin immediate").map_err(StorageError::of)
    }

    /// Nothing is open any more afterwards; there may be nothing to roll back.
    fn roll_back(&mut self) {
        let _ = self.db.batch_execute("rollback");
    }

    /// Commits and answers everybody, or tells everybody that it was not done.
    fn commit(&mut self, done: Vec<Box<dyn Job>>) {
        match self.db.batch_execute("commit").map_err(StorageError::of) {
            Ok(()) => {
                self.log.committed(done.len());
                count_commit(&self.name, done.len());
                done.into_iter().for_each(Job::answer);
                self.changed.send_modify(|commits| *commits += 1);
            }
            Err(error) if error.is_io() => stop_the_process(&error, &self.name, "a commit"),
            Err(error) => {
                tracing::error!(%error, database = self.name, "a commit failed");
                self.roll_back();
                for job in done {
                    job.fail(error.again());
                }
            }
        }
    }
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "measures how long a batch has taken")]
    Instant::now()
}
