//! What commands print: text for people, or JSON for machines.

use std::io::Write;

use emporium_kernel::Problem;
use serde::Serialize;
use serde_json::json;

/// Standard output in one of the two forms.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    /// For machines or for people.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether it is for machines.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Prints a value: as one line of JSON, or as what `text` makes of it.
    pub fn show<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) {
        let line = if self.json { serde_json::to_string(value).unwrap_or_default() } else { text(value) };
        self.line(&line);
    }

    /// Prints one line; a reader that went away is not an error.
    pub fn line(self, line: &str) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }

    /// Prints why a command was refused or failed, on standard error.
    pub fn error(self, error: &anyhow::Error) {
        let problem = error.downcast_ref::<Problem>();
        let line = match (self.json, problem) {
            (true, Some(problem)) => json!({"error": problem}).to_string(),
            (true, None) => json!({"error": {"code": "failed", "detail": format!("{error:#}")}}).to_string(),
            (false, Some(problem)) => explain(problem),
            (false, None) => format!("error: {error:#}"),
        };
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }
}

fn explain(problem: &Problem) -> String {
    let fields = problem.errors.iter().map(|e| format!("\n  {}: {}", e.field, e.message));
    let facts = problem.facts.iter().map(|(name, fact)| format!("\n  {name}: {fact}"));
    format!("error: {} ({}){}", problem.detail, problem.code, fields.chain(facts).collect::<String>())
}
