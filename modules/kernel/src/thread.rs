//! Where and when threads run: which stand back behind those that somebody waits for, and which keep to one core.

#[cfg(target_os = "linux")]
pub use cores::{Cores, roam};
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{Cores, roam};

/// Lowers the priority of the calling thread for good, by so much of what POSIX calls "nice"; elsewhere than on Linux it
/// would be that of the process. Where nothing else wants to run, it runs as fast as before, and on every core.
pub fn stand_back(by: i32) {
    roam();
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(by) {
        tracing::warn!(%error, "a thread keeps the priority of everything else");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = by;
}

#[cfg(target_os = "linux")]
mod cores {
    use std::cell::Cell;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    /// The cores that this process may run on, before any of its threads kept to one.
    static ALL: OnceLock<CpuSet> = OnceLock::new();

    thread_local! {
        static ROAMS: Cell<bool> = const { Cell::new(false) };
    }

    /// The cores of threads that each keep to their own. The system would leave such threads where they last ran: two
    /// on one core, for a fifth of a second, while a third with less to say has another core for itself.
    #[derive(Debug)]
    pub struct Cores {
        numbers: Vec<usize>,
        taken: AtomicUsize,
    }

    impl Cores {
        /// For as many threads as there are cores; `None` when there are more or fewer, since where several processes
        /// have few threads each on many cores, all would keep to the same ones.
        pub fn one_each(threads: usize) -> Option<Self> {
            let own = sched_getaffinity(None).ok()?;
            let all = ALL.get_or_init(|| own);
            let numbers: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|number| all.is_set(*number)).collect();
            (numbers.len() == threads).then(|| Self { numbers, taken: AtomicUsize::new(0) })
        }

        /// Keeps the calling thread to the next core.
        pub fn take(&self) {
            let taken = self.taken.fetch_add(1, Ordering::Relaxed) % self.numbers.len().max(1);
            let mut one = CpuSet::new();
            if let Some(number) = self.numbers.get(taken) {
                one.set(*number);
                keep_to(&one);
            }
        }
    }

    /// Lets the calling thread run on every core, also when it was started by one that keeps to its own and has that
    /// from it.
    pub fn roam() {
        if let Some(all) = ALL.get()
            && !ROAMS.replace(true)
        {
            keep_to(all);
        }
    }

    fn keep_to(cores: &CpuSet) {
        if let Err(error) = sched_setaffinity(None, cores) {
            tracing::warn!(%error, "a thread runs where the system lets it");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    /// Threads run where the system lets them.
    #[derive(Debug)]
    pub struct Cores(());

    impl Cores {
        /// Nowhere else than on Linux.
        pub fn one_each(_: usize) -> Option<Self> {
            None
        }

        /// Changes nothing.
        pub fn take(&self) {}
    }

    /// Changes nothing.
    pub fn roam() {}
}
