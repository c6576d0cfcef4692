//! Threads that stand back behind those which somebody waits for.

/// Lowers the priority of the calling thread for good, by so much of what POSIX calls "nice"; elsewhere than on Linux it
/// would be that of the process. Where nothing else wants to run, it runs as fast as before.
pub fn stand_back(by: i32) {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(by) {
        tracing::warn!(%error, "a thread keeps the priority of everything else");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = by;
}
