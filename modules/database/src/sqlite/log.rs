//! The write-ahead log: how it is written back into the file, and how it is kept from growing.
//!
//! Most of a log is copied and put on the disk by a thread beside the writer, while it goes on committing; what was
//! committed meanwhile the writer then copies itself, so that its next commit begins the log anew. Were all of it the
//! writer's work, every order would now and then wait for seconds of other orders.

use std::fs::File;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

use diesel::connection::SimpleConnection;
use emporium_kernel::stand_back;

use super::{LOCK_PATIENCE_MS, failed};
use crate::failure::stop_the_process;
use crate::{OpenError, StorageError};

/// Under steady load the log is written back after so many commits, or so many jobs in them: of orders and transfers, some
/// 80 MB. What comes while that is copied must not make it longer than [`LONG_BYTES`], or all of it has to be waited for.
const COMMITS_PER_CHECKPOINT: u32 = 500;
const JOBS_PER_CHECKPOINT: usize = 3_500;
/// Bytes by which the log may grow before it is written back and cut, however few commits that were. A log that is
/// written back in time begins anew from its start, which is cheaper than growing again after a cut.
const LONG_BYTES: u64 = 128 * 1024 * 1024;
/// From this length of the log on, which only a reader that does not end can cause, new work is refused.
pub(crate) const MOST_BYTES: u64 = 1024 * 1024 * 1024;

/// How far the thread that copies stands back: less than the writer, so that the log grows little meanwhile.
const STANDS_BACK: i32 = 3;

/// Where the disk failed, in the last words of the process.
const CHECKPOINT: &str = "a checkpoint";

/// The log of one database, for its writer.
pub(crate) struct Log {
    path: PathBuf,
    name: String,
    helper: Helper,
    /// Commits since the log was written back, and the jobs in them.
    commits: u32,
    jobs: usize,
    /// How long the log may become before it is written back and cut.
    limit: u64,
    /// From which length of it on new work is refused.
    most: u64,
    refusing: bool,
}

impl Log {
    /// The log of the database at `path`; new work is refused when it is longer than `most` bytes.
    pub(crate) fn new(database: &Path, name: &str, most: u64) -> Result<Self, OpenError> {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        let helper = Helper::start(database, name)?;
        let limit = LONG_BYTES.min(most);
        Ok(Self { path: path.into(), name: name.to_owned(), helper, commits: 0, jobs: 0, limit, most, refusing: false })
    }

    /// Counts a commit of so many jobs.
    pub(crate) fn committed(&mut self, jobs: usize) {
        self.commits += 1;
        self.jobs += jobs;
    }

    /// Does what is due, between two batches or when there is nothing to do. Whether new work is admitted from now on,
    /// when that has changed.
    pub(crate) fn tend(&mut self, db: &mut impl SimpleConnection, idle: bool) -> Option<bool> {
        let before = self.refusing;
        let finished = self.helper.has_finished();
        let due = self.commits >= COMMITS_PER_CHECKPOINT || self.jobs >= JOBS_PER_CHECKPOINT;
        let length = self.bytes();
        if self.helper.is_busy() {
            self.refusing |= length > self.most;
        } else if length > self.limit || (length > self.most && (idle || due)) {
            self.cut(db);
        } else {
            self.refusing &= length > self.most;
            if finished || (idle && self.commits > 0) {
                self.write_back(db, "passive");
            } else if due {
                self.helper.begin();
            }
        }
        (self.refusing != before).then_some(!self.refusing)
    }

    /// Writes all of it back and removes it: nobody commits any more.
    pub(crate) fn close(mut self, db: &mut impl SimpleConnection) {
        self.helper.stop();
        self.write_back(db, "truncate");
    }

    /// Writes the log back and cuts it. A reader that still needs it keeps it from being cut; then it is tried again after
    /// as much more, and from the most that is allowed on, whenever there is nothing else to do.
    fn cut(&mut self, db: &mut impl SimpleConnection) {
        self.write_back(db, "truncate");
        let left = self.bytes();
        self.limit = left + LONG_BYTES.min(self.most);
        self.refusing = left > self.most;
    }

    fn write_back(&mut self, db: &mut impl SimpleConnection, mode: &str) {
        (self.commits, self.jobs) = (0, 0);
        checkpoint(db, &self.name, mode);
    }

    fn bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |log| log.len())
    }
}

/// A reader that still needs the log only makes this do less, and is not waited for. A disk that failed once says so only
/// once: to try again would take for written what was lost, and then throw the log away.
fn checkpoint(db: &mut impl SimpleConnection, name: &str, mode: &str) {
    let done = db.batch_execute(&format!("pragma busy_timeout = 0; pragma wal_checkpoint({mode})"));
    let restored = db.batch_execute(&format!("pragma busy_timeout = {LOCK_PATIENCE_MS}"));
    match done.and(restored).map_err(StorageError::of) {
        Err(error) if error.is_io() => stop_the_process(&error, name, CHECKPOINT),
        Err(error) => tracing::warn!(%error, database = name, "a checkpoint failed"),
        Ok(()) => {}
    }
}

/// A thread with a connection of its own, which writes the log back while others commit.
struct Helper {
    asked: Option<Sender<()>>,
    done: Receiver<()>,
    busy: bool,
    thread: Option<JoinHandle<()>>,
}

impl Helper {
    fn start(path: &Path, name: &str) -> Result<Self, OpenError> {
        let mut db = super::open_copier(path)?;
        let file = Kept::open(path)?;
        let (asked, asks) = channel::<()>();
        let (finished, done) = channel();
        let thread = std::thread::Builder::new().name(format!("log-{name}"));
        let name = name.to_owned();
        let work = move || {
            stand_back(STANDS_BACK);
            for () in asks {
                checkpoint(&mut db, &name, "passive");
                file.sync(&name);
                if finished.send(()).is_err() {
                    return;
                }
            }
        };
        let thread = thread.spawn(work).map_err(|source| OpenError::File { path: path.to_owned(), source })?;
        Ok(Self { asked: Some(asked), done, busy: false, thread: Some(thread) })
    }

    fn begin(&mut self) {
        self.busy = self.asked.as_ref().is_some_and(|asked| asked.send(()).is_ok());
    }

    fn is_busy(&self) -> bool {
        self.busy
    }

    /// Whether it was busy and is no more.
    fn has_finished(&mut self) -> bool {
        // A helper that died is done as well: then the writer alone writes the log back, when it is long.
        let finished = self.busy && !matches!(self.done.try_recv(), Err(TryRecvError::Empty));
        self.busy &= !finished;
        finished
    }

    fn stop(&mut self) {
        self.asked = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the log back ended with a panic");
        }
    }
}

/// The file of a database, beside the connections to it. It stays open until the process ends: when a process closes a
/// file, POSIX ends all locks that it holds on it, and those of SQLite keep other processes from removing the log.
struct Kept(ManuallyDrop<File>);

impl Kept {
    fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self(ManuallyDrop::new(File::options().write(true).open(path).map_err(failed(path))?)))
    }

    /// Puts what was copied on the disk. SQLite does so only where nothing is left to copy: under load in the writer's
    /// part, for which every commit would wait.
    fn sync(&self, name: &str) {
        if let Err(error) = self.0.sync_data() {
            stop_the_process(&error, name, CHECKPOINT);
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    /// The locks that this process holds on a file, as the kernel lists them.
    fn locks(path: &Path) -> usize {
        let end = format!(":{}", std::fs::metadata(path).expect("is there").ino());
        let mine = std::process::id().to_string();
        let all = std::fs::read_to_string("/proc/locks").expect("Linux lists locks");
        let its = |line: &&str| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields.contains(&"POSIX")
                && fields.contains(&mine.as_str())
                && fields.iter().any(|field| field.ends_with(&end))
        };
        all.lines().filter(its).count()
    }

    /// A process that thinks nobody else has the database open removes its log.
    #[test]
    fn connections_keep_their_locks_when_another_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("some.db");
        let _owner = crate::sqlite::lock(&path).expect("is free");
        let mut db = crate::sqlite::open_writer(&path).expect("opens");
        db.batch_execute("create table some (id integer)").expect("creates");
        let held = locks(&path);
        assert!(held > 0, "who has a database open holds a lock on it");
        assert!(matches!(crate::sqlite::lock(&path), Err(OpenError::InUse(_))));
        assert_eq!(locks(&path), held);
    }

    #[test]
    fn connections_keep_their_locks_when_the_thread_that_copies_the_log_ends() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("some.db");
        let mut db = crate::sqlite::open_writer(&path).expect("opens");
        db.batch_execute("create table some (id integer)").expect("creates");
        let held = locks(&path);
        assert!(held > 0, "who has a database open holds a lock on it");
        let mut helper = Helper::start(&path, "some").expect("starts");
        helper.begin();
        drop(helper);
        assert_eq!(locks(&path), held);
    }
}
