//! Threads that stand back behind those which somebody waits for.

/// How far they stand back ("nice", as POSIX calls it).
#[cfg(target_os = "linux")]
const STANDS_BACK: i32 = 15;

/// Lowers the priority of the calling thread for good; elsewhere than on Linux it would be that of the process. Where
/// nothing else wants to run, it runs as fast as before.
pub fn stand_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(STANDS_BACK) {
        tracing::warn!(%error, "a thread keeps the priority of everything else");
    }
}
