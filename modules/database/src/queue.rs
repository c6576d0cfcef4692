//! The queue of writes: two bounded lanes of tasks that wait for their commit.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use emporium_kernel::metric;
use prometheus::IntCounterVec;
use tokio::sync::oneshot;

use crate::{Db, Failure, StorageError};

static COMMITS: LazyLock<IntCounterVec> =
    LazyLock::new(|| metric::counter("emporium_writer_commits_total", "Group commits.", &["database"]));
static JOBS: LazyLock<IntCounterVec> =
    LazyLock::new(|| metric::counter("emporium_writer_jobs_total", "Jobs in group commits.", &["database"]));

/// Counts a commit of so many jobs.
pub(crate) fn count_commit(database: &str, jobs: usize) {
    COMMITS.with_label_values(&[database]).inc();
    JOBS.with_label_values(&[database]).inc_by(jobs as u64);
}

/// Which work goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// What continues a running saga, and sweepers.
    Continuation,
    /// What begins.
    New,
}

impl Lane {
    /// How many tasks wait at most. New work: a crowd that comes at once, and no more than is done within a second; who
    /// would wait longer is better told to come back. Of what was begun already there is never that much.
    const fn capacity(self) -> usize {
        match self {
            Self::Continuation => 8_192,
            Self::New => 1_024,
        }
    }
}

#[derive(Default)]
struct Lanes {
    continuations: VecDeque<Box<dyn Job>>,
    new: VecDeque<Box<dyn Job>>,
    closed: bool,
    /// Whether what begins is refused.
    new_refused: bool,
}

impl Lanes {
    fn take(&mut self) -> Option<Box<dyn Job>> {
        self.continuations.pop_front().or_else(|| self.new.pop_front())
    }
}

/// What waits for the writer.
#[derive(Default)]
pub(crate) struct Queue {
    lanes: Mutex<Lanes>,
    arrived: Condvar,
}

/// What the writer finds when it looks.
pub(crate) enum Found {
    Job(Box<dyn Job>),
    Nothing,
    Closed,
}

impl Queue {
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a task; a full lane refuses at once.
    pub(crate) fn push(&self, lane: Lane, job: Box<dyn Job>) -> Result<(), StorageError> {
        let mut lanes = self.lanes();
        if lanes.closed {
            return Err(StorageError::Stopped);
        }
        if lanes.new_refused && lane == Lane::New {
            return Err(StorageError::LogFull);
        }
        let line = match lane {
            Lane::Continuation => &mut lanes.continuations,
            Lane::New => &mut lanes.new,
        };
        if line.len() >= lane.capacity() {
            return Err(StorageError::QueueFull);
        }
        line.push_back(job);
        self.arrived.notify_one();
        Ok(())
    }

    /// The next task, waiting for one as long as `patience`.
    pub(crate) fn wait(&self, patience: Duration) -> Found {
        let idle = |lanes: &mut Lanes| lanes.continuations.is_empty() && lanes.new.is_empty() && !lanes.closed;
        let waited = self.arrived.wait_timeout_while(self.lanes(), patience, idle);
        let (mut lanes, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match lanes.take() {
            Some(job) => Found::Job(job),
            None if lanes.closed => Found::Closed,
            None => Found::Nothing,
        }
    }

    /// The next task if one waits.
    pub(crate) fn take(&self) -> Option<Box<dyn Job>> {
        self.lanes().take()
    }

    /// Whether what begins is taken now.
    pub(crate) fn admits_new(&self) -> bool {
        !self.lanes().new_refused
    }

    /// Whether what begins is taken from now on. What continues always is.
    pub(crate) fn admit_new(&self, admitted: bool) {
        self.lanes().new_refused = !admitted;
    }

    /// Refuses what comes from now on; what waits is still done.
    pub(crate) fn close(&self) {
        self.lanes().closed = true;
        self.arrived.notify_all();
    }
}

/// A closure and the one who waits for its result.
pub(crate) trait Job: Send {
    /// Runs it and keeps the result; whether its changes are to be kept.
    fn run(&mut self, db: &mut Db) -> bool;
    /// The kept result, if the storage did not do it.
    #[cfg(feature = "mysql")]
    fn failure(&self) -> Option<&StorageError>;
    /// Gives the kept result.
    fn answer(self: Box<Self>);
    /// Gives a failure instead.
    fn fail(self: Box<Self>, error: StorageError);
    /// Gives its own error, or says that it ended its transaction when it thought it had succeeded.
    fn fail_as_culprit(self: Box<Self>);
}

pub(crate) struct Task<F, T, E> {
    work: F,
    reply: oneshot::Sender<Result<T, Failure<E>>>,
    result: Option<Result<T, Failure<E>>>,
}

impl<F, T, E> Task<F, T, E>
where
    F: Fn(&mut Db) -> Result<T, Failure<E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    pub(crate) fn boxed(work: F, reply: oneshot::Sender<Result<T, Failure<E>>>) -> Box<dyn Job> {
        Box::new(Self { work, reply, result: None })
    }
}

impl<F, T, E> Job for Task<F, T, E>
where
    F: Fn(&mut Db) -> Result<T, Failure<E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    fn run(&mut self, db: &mut Db) -> bool {
        let ran = catch_unwind(AssertUnwindSafe(|| (self.work)(db)));
        let result = ran.unwrap_or_else(|_| Err(StorageError::Panicked.into()));
        self.result.insert(result).is_ok()
    }

    #[cfg(feature = "mysql")]
    fn failure(&self) -> Option<&StorageError> {
        match &self.result {
            Some(Err(Failure::Storage(error))) => Some(error),
            _ => None,
        }
    }

    fn answer(self: Box<Self>) {
        let result = self.result.unwrap_or_else(|| Err(StorageError::Stopped.into()));
        // Nobody waits when the client hung up; what was done stays done.
        let _ = self.reply.send(result);
    }

    fn fail(self: Box<Self>, error: StorageError) {
        let _ = self.reply.send(Err(error.into()));
    }

    fn fail_as_culprit(mut self: Box<Self>) {
        match self.result.take() {
            Some(Err(own @ Failure::Storage(_))) => {
                let _ = self.reply.send(Err(own));
            }
            _ => self.fail(StorageError::TransactionEnded),
        }
    }
}
