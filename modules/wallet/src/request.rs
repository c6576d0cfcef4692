//! What deposits and withdrawals share: somebody decides on them, and they are listed.

use emporium_kernel::{Limit, Timestamp};

/// Who decided, when, and why.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) actor: String,
    pub(crate) reason: Option<String>,
    pub(crate) at: Timestamp,
}

/// Which rows of a list are shown.
#[derive(Clone, Debug)]
pub(crate) struct Filter<S> {
    pub(crate) user: Option<String>,
    pub(crate) status: Option<S>,
    pub(crate) limit: Limit,
    /// Creation time and id of the last row of the page before.
    pub(crate) after: Option<(i64, String)>,
}
