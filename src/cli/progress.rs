//! A bar for long work, where a person watches.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use super::Context;

/// A bar on standard error that counts `unit`, as in "SKUs"; hidden from machines and files.
pub fn bar(context: &Context, unit: &str) -> ProgressBar {
    if context.out.is_json() || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(&format!("{{bar:40}} {{pos}}/{{len}} {unit}, {{eta}} left"));
    style.map_or_else(|_| ProgressBar::hidden(), |style| ProgressBar::new(0).with_style(style))
}
