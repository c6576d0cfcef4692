//! Places where a test can make the process end at once. Without the feature `failpoints` they are not there.

/// Ends the process, without any goodbye, when it was started to end at this moment of this step: the variable
/// `TEST_FAILPOINT` names both, as in `capture.before_commit`.
pub fn failpoint(step: &str, moment: &str) {
    if cfg!(feature = "failpoints") {
        let chosen = std::env::var_os("TEST_FAILPOINT").unwrap_or_default();
        if chosen.to_str().and_then(|chosen| chosen.split_once('.')) == Some((step, moment)) {
            std::process::abort();
        }
    }
}
