//! The SQLite writer: one thread owns the only writable connection and commits in groups.
//!
//! It takes the first waiting job, drains what queues up meanwhile, runs each inside a savepoint of one transaction,
//! commits once, and only then answers each.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use emporium_kernel::metric;
use prometheus::IntCounterVec;
use tokio::sync::watch;

use crate::connection::LOCK_PATIENCE_MS;
use crate::queue::{Found, Job, Queue};
use crate::statement::control;
use crate::{Db, OpenError, StorageError};

const MOST_JOBS: usize = 256;
const MOST_WORK: Duration = Duration::from_millis(10);
/// How long the queue must be empty before the log is written back.
const IDLE: Duration = Duration::from_millis(200);
/// Under steady load the log is written back after so many commits, or so many jobs in them.
const COMMITS_PER_CHECKPOINT: u32 = 500;
const JOBS_PER_CHECKPOINT: usize = 5_000;
/// Bytes by which the log may grow before it is written back and cut, however few commits that were. A log that is
/// written back in time begins anew from its start, which is cheaper than growing again after a cut.
const LONG_LOG_BYTES: u64 = 128 * 1024 * 1024;
/// From this length of the log on, which only a reader that does not end can cause, new work is refused.
pub(crate) const MOST_LOG_BYTES: u64 = 1024 * 1024 * 1024;

static COMMITS: LazyLock<IntCounterVec> =
    LazyLock::new(|| metric::counter("emporium_writer_commits_total", "Group commits.", &["database"]));
static JOBS: LazyLock<IntCounterVec> =
    LazyLock::new(|| metric::counter("emporium_writer_jobs_total", "Jobs in group commits.", &["database"]));

pub(crate) struct Writer {
    db: Db,
    path: PathBuf,
    name: String,
    queue: Arc<Queue>,
    changed: watch::Sender<u64>,
    /// Commits since the log was written back, and the jobs in them.
    unsaved: u32,
    unsaved_jobs: usize,
    /// How long the log may become before it is written back and cut.
    log_limit: u64,
    /// From which length of it on new work is refused.
    most_log: u64,
    /// Held as long as the writer lives: it keeps a second process out.
    _lock: File,
}

impl Writer {
    pub(crate) fn new(db: Db, path: &Path, queue: Arc<Queue>, changed: watch::Sender<u64>, lock: File) -> Self {
        let name = path.file_stem().map_or_else(|| "database".to_owned(), |stem| stem.to_string_lossy().into_owned());
        Self {
            db,
            path: path.to_owned(),
            name,
            queue,
            changed,
            unsaved: 0,
            unsaved_jobs: 0,
            log_limit: LONG_LOG_BYTES,
            most_log: MOST_LOG_BYTES,
            _lock: lock,
        }
    }

    /// Refuses new work when the log is longer than this.
    pub(crate) fn with_most_log(self, bytes: u64) -> Self {
        Self { most_log: bytes, log_limit: LONG_LOG_BYTES.min(bytes), ..self }
    }

    pub(crate) fn start(self) -> Result<JoinHandle<()>, OpenError> {
        let path = self.path.clone();
        let thread = std::thread::Builder::new().name(format!("writer-{}", self.name));
        thread.spawn(move || self.run()).map_err(|source| OpenError::File { path, source })
    }

    fn run(mut self) {
        loop {
            match self.queue.wait(IDLE) {
                Found::Job(first) => self.batch(first),
                Found::Nothing if self.log_bytes() > self.most_log => self.cut_log(),
                Found::Nothing if self.unsaved > 0 => self.checkpoint("passive"),
                Found::Nothing => {}
                Found::Closed => break,
            }
            let (log, due) = (self.log_bytes(), self.is_checkpoint_due());
            if log > self.log_limit || (due && log > self.most_log) {
                self.cut_log();
            } else if due {
                self.checkpoint("passive");
            }
        }
        self.checkpoint("truncate");
    }

    fn is_checkpoint_due(&self) -> bool {
        self.unsaved >= COMMITS_PER_CHECKPOINT || self.unsaved_jobs >= JOBS_PER_CHECKPOINT
    }

    /// Writes the log back and cuts it. A reader that still needs it keeps it from being cut; then it is tried again
    /// after as much more, and from the most that is allowed on, whenever there is nothing else to do.
    fn cut_log(&mut self) {
        self.checkpoint("truncate");
        let left = self.log_bytes();
        self.log_limit = left + LONG_LOG_BYTES.min(self.most_log);
        self.queue.admit_new(left <= self.most_log);
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
                self.unsaved += 1;
                self.unsaved_jobs += done.len();
                COMMITS.with_label_values(&[&self.name]).inc();
                JOBS.with_label_values(&[&self.name]).inc_by(done.len() as u64);
                done.into_iter().for_each(Job::answer);
                self.changed.send_modify(|commits| *commits += 1);
            }
            Err(error) if error.is_io() => {
                tracing::error!(%error, database = self.name, "the disk failed at a commit; stopping");
                std::process::abort();
            }
            Err(error) => {
                tracing::error!(%error, database = self.name, "a commit failed");
                self.roll_back();
                for job in done {
                    job.fail(error.again());
                }
            }
        }
    }

    fn log_bytes(&self) -> u64 {
        let mut log = self.path.as_os_str().to_owned();
        log.push("-wal");
        std::fs::metadata(log).map_or(0, |log| log.len())
    }

    /// Writes the log back into the file. A reader that still needs it only makes this do less, and is not waited for.
    fn checkpoint(&mut self, mode: &str) {
        (self.unsaved, self.unsaved_jobs) = (0, 0);
        let pragmas =
            format!("pragma busy_timeout = 0; pragma wal_checkpoint({mode}); pragma busy_timeout = {LOCK_PATIENCE_MS}");
        if let Err(error) = self.db.batch_execute(&pragmas) {
            tracing::warn!(%error, database = self.name, "a checkpoint failed");
        }
    }
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "measures how long a batch has taken")]
    Instant::now()
}
