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
    use std::cell::{Cell, RefCell};
    use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError};

    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    /// The cores that this process may run on, from before any of its threads kept to one.
    static ALL: OnceLock<CpuSet> = OnceLock::new();

    thread_local! {
        static OWN: RefCell<Option<Own>> = const { RefCell::new(None) };
        static ROAMS: Cell<bool> = const { Cell::new(false) };
    }

    /// The cores of threads that each keep to their own. The system would leave such threads where they last ran: two
    /// on one core, for a fifth of a second, while a third with less to say has another core for itself.
    #[derive(Clone, Debug)]
    pub struct Cores(Arc<Mutex<Vec<usize>>>);

    /// The core of a thread, which another may have when the thread ends.
    struct Own {
        core: usize,
        cores: Cores,
    }

    impl Cores {
        /// For as many threads as there are cores, which is what a system calls a CPU; `None` when there are more or
        /// fewer, since where several processes have few threads each on many cores, all would keep to the first ones.
        /// Asked again, it gives the same cores.
        pub fn one_each(threads: usize) -> Option<Self> {
            let all = ALL.get().copied().or_else(|| sched_getaffinity(None).ok())?;
            let free: Vec<usize> = (0..CpuSet::MAX_CPU).rev().filter(|core| all.is_set(*core)).collect();
            (free.len() == threads).then(|| {
                ALL.get_or_init(|| all);
                Self(Arc::new(Mutex::new(free)))
            })
        }

        /// Keeps the calling thread to one that no other has taken, until it ends; a second time changes nothing. Where
        /// none is left, as for what is started again while the thread of its forerunner lives on, it runs anywhere.
        pub fn take(&self) {
            OWN.with_borrow_mut(|own| {
                if own.is_none() {
                    *own = self.next().filter(Own::keep_to_it);
                }
            });
        }

        fn next(&self) -> Option<Own> {
            let core = self.free().pop()?;
            Some(Own { core, cores: self.clone() })
        }

        fn free(&self) -> std::sync::MutexGuard<'_, Vec<usize>> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    impl Own {
        fn keep_to_it(&self) -> bool {
            let mut one = CpuSet::new();
            one.set(self.core);
            ROAMS.set(false);
            keep_to(&one)
        }
    }

    impl Drop for Own {
        fn drop(&mut self) {
            self.cores.free().push(self.core);
        }
    }

    /// Lets the calling thread run on every core, also when it was started by one that keeps to its own and has that
    /// from it.
    pub fn roam() {
        if let Some(all) = ALL.get()
            && !ROAMS.get()
        {
            keep_to(all);
            ROAMS.set(true);
        }
    }

    fn keep_to(cores: &CpuSet) -> bool {
        let kept = sched_setaffinity(None, cores);
        if let Err(error) = &kept {
            static TOLD: Once = Once::new();
            TOLD.call_once(|| tracing::warn!(%error, "threads run where the system lets them"));
        }
        kept.is_ok()
    }

    #[cfg(test)]
    mod tests {
        use std::thread;

        use super::*;
        use crate::stand_back;

        fn allowed() -> u32 {
            sched_getaffinity(None).expect("Linux says").count()
        }

        fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
            thread::scope(|scope| scope.spawn(work).join().expect("ends"))
        }

        #[test]
        fn each_thread_has_a_core_of_its_own_and_what_it_starts_may_leave_it() {
            let all = allowed();
            let cores = Cores::one_each(all as usize).expect("one for each");
            assert!(Cores::one_each(all as usize + 1).is_none());
            apart(|| {
                cores.take();
                cores.take();
                assert_eq!((allowed(), cores.free().len()), (1, all as usize - 1), "it took one");
                assert_eq!(apart(allowed), 1, "what it starts has that from it");
                assert_eq!(apart(|| (roam(), allowed()).1), all);
                assert_eq!(apart(|| (stand_back(0), allowed()).1), all);
            });
            assert_eq!(cores.free().len(), all as usize, "a thread that ended leaves its core to another");
            assert_eq!(allowed(), all);
        }

        #[test]
        fn a_thread_that_cannot_be_kept_to_a_core_runs_anywhere_and_takes_none_from_another() {
            let (all, missing) = (allowed(), CpuSet::MAX_CPU - 1);
            let cores = Cores(Arc::new(Mutex::new(vec![missing])));
            apart(|| (cores.take(), assert_eq!(allowed(), all)));
            assert_eq!(*cores.free(), [missing]);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    /// Threads run where the system lets them.
    #[derive(Clone, Debug)]
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
