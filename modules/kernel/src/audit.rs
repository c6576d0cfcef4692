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

    /// Counts rows that were looked at.
    pub fn looked_at(&mut self, rows: usize) {
        self.checked += i64::try_from(rows).unwrap_or(i64::MAX);
    }

    /// Notes a broken invariant, unless another row that breaks it came before.
    pub fn find(&mut self, invariant: &str, subject: impl Into<String>, detail: impl Into<String>) {
        if !self.names(invariant) {
            let finding = Finding { invariant: invariant.to_owned(), subject: subject.into(), detail: detail.into() };
            self.findings.push(finding);
        }
    }

    /// Notes an invariant that does not hold.
    pub fn check(&mut self, holds: bool, invariant: &str, subject: &str, detail: impl FnOnce() -> String) {
        if !holds && !self.names(invariant) {
            self.find(invariant, subject, detail());
        }
    }

    fn names(&self, invariant: &str) -> bool {
        self.findings.iter().any(|finding| finding.invariant == invariant)
    }
}
