//! What a `verify` finds: which invariant a row breaks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The result of checking a module's invariants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    /// How many rows were looked at.
    pub checked: i64,
    /// What is wrong; the first row of each broken invariant.
    pub findings: Vec<Finding>,
}

/// One broken invariant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Its short name, as in `balance_is_fold_of_entries`.
    pub invariant: String,
    /// The first row that breaks it.
    pub subject: String,
    /// What was expected and what is there.
    pub detail: String,
}

impl Audit {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Notes a broken invariant.
    pub fn find(&mut self, invariant: &str, subject: impl Into<String>, detail: impl Into<String>) {
        let finding = Finding { invariant: invariant.to_owned(), subject: subject.into(), detail: detail.into() };
        self.findings.push(finding);
    }
}
