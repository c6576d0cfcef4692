//! Places where a test can make the process end at once. Without the feature `failpoints` they are not there.

use std::sync::atomic::{AtomicU32, Ordering};

/// How often the chosen moment has come.
static CAME: AtomicU32 = AtomicU32::new(0);

/// Ends the process, without any goodbye, when it was started to end at this moment of this step: the variable
/// `TEST_FAILPOINT` names both, as in `capture.before_commit`, and which time it is, when not the first, as in
/// `void.answered#2`.
pub fn failpoint(step: &str, moment: &str) {
    if cfg!(feature = "failpoints") {
        let chosen = std::env::var_os("TEST_FAILPOINT").unwrap_or_default();
        let chosen = chosen.to_str().unwrap_or_default();
        let (point, time) = chosen.split_once('#').unwrap_or((chosen, "1"));
        let comes = point.split_once('.') == Some((step, moment));
        if comes && time.parse::<u32>() == Ok(CAME.fetch_add(1, Ordering::SeqCst) + 1) {
            std::process::abort();
        }
    }
}
