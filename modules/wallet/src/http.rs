//! The public routes of the wallet.

mod deposits;
mod staff;
mod wallet;
mod withdrawals;

use emporium_kernel::{Cursor, Limit, Line, Newest, Routes};
use schemars::JsonSchema;
use serde::Deserialize;

/// What customers and staff can ask of the wallet.
pub fn routes() -> Routes {
    wallet::routes().and(deposits::routes()).and(withdrawals::routes()).and(staff::routes())
}

/// Why staff do something; it may be left out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Because {
    /// Why.
    reason: Option<Line<200>>,
}

impl Because {
    fn into_text(self) -> Option<String> {
        self.reason.map(Line::into_string)
    }
}

/// Which deposits or withdrawals staff see, newest first.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Requests<S> {
    /// Only those that stand so.
    status: Option<S>,
    /// Only those of this user.
    user: Option<emporium_auth_api::UserId>,
    /// The only order there is.
    #[serde(rename = "sort")]
    _sort: Option<Newest>,
    /// Rows of a page.
    #[serde(default)]
    limit: Limit,
    /// Where the page begins.
    after: Option<Cursor<(i64, String)>>,
}

impl<S> From<Requests<S>> for crate::request::Filter<S> {
    fn from(query: Requests<S>) -> Self {
        Self {
            user: query.user.map(|user| user.to_string()),
            status: query.status,
            limit: query.limit,
            after: query.after.map(|cursor| cursor.0),
        }
    }
}
