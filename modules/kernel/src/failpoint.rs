//! What a test can let go wrong: the process ends at once, the answer to a commit is lost. Without the feature
//! `failpoints` none of it is there.

use std::sync::atomic::{AtomicU32, Ordering};

/// How often the chosen moment has come.
static CAME: AtomicU32 = AtomicU32::new(0);

/// Whether a test can ask for anything.
const BUILT_FOR_TESTS: bool = cfg!(feature = "failpoints");

/// Ends the process, without any goodbye, when it was started to end at this moment of this step: the variable
/// `TEST_FAILPOINT` names both, as in `capture.before_commit`, and which time it is, when not the first, as in
/// `void.answered#2`.
pub fn failpoint(step: &str, moment: &str) {
    if BUILT_FOR_TESTS {
        let chosen = std::env::var_os("TEST_FAILPOINT").unwrap_or_default();
        let chosen = chosen.to_str().unwrap_or_default();
        let (point, time) = chosen.split_once('#').unwrap_or((chosen, "1"));
        let comes = point.split_once('.') == Some((step, moment));
        if comes && time.parse::<u32>() == Ok(CAME.fetch_add(1, Ordering::SeqCst) + 1) {
            std::process::abort();
        }
    }
}

/// Whether the answer to each commit of a server is to be lost once, as the variable `TEST_LOST_COMMITS` says with `yes`:
/// what was done is then done again, and must find out that it was.
pub fn loses_commits() -> bool {
    BUILT_FOR_TESTS && std::env::var_os("TEST_LOST_COMMITS").is_some_and(|says| says == "yes")
}
