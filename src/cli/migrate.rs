//! `emporium migrate`: creates the databases and brings them up to date.

use serde_json::json;

use super::Context;
use crate::wiring::Mode;

/// Opening migrates.
pub fn run(context: &Context) -> anyhow::Result<u8> {
    let opened = context.open(Mode::Own)?;
    let files: Vec<(&str, String)> =
        opened.modules.databases().iter().map(|(name, db)| (*name, db.path().display().to_string())).collect();
    let text = files.iter().map(|(name, path)| format!("{name}: {path} is up to date")).collect::<Vec<_>>().join("\n");
    let rows: Vec<_> = files.iter().map(|(name, path)| json!({"module": name, "database": path})).collect();
    context.out.show(&json!({"databases": rows}), |_| text);
    Ok(0)
}
