//! `emporium migrate`: creates the databases and brings them up to date.

use clap::Args;
use serde_json::json;

use super::Context;
use crate::settings::Overrides;
use crate::wiring::{self, Mode};

/// How to migrate.
#[derive(Args, Debug)]
pub struct Options {
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
}

/// Opening migrates.
pub fn run(context: &Context, options: &Options) -> anyhow::Result<u8> {
    if options.dry_run {
        return plan(context);
    }
    let opened = context.open(Mode::Own)?;
    let files: Vec<(&str, String)> =
        opened.modules.databases().map(|(name, db)| (name, db.url().to_string())).collect();
    let text = files.iter().map(|(name, path)| format!("{name}: {path} is up to date")).collect::<Vec<_>>().join("\n");
    let rows: Vec<_> = files.iter().map(|(name, path)| json!({"module": name, "database": path})).collect();
    context.out.show(&json!({"databases": rows}), |_| text);
    Ok(0)
}

fn plan(context: &Context) -> anyhow::Result<u8> {
    let settings = context.settings(Overrides::default())?;
    wiring::check(&settings)?;
    let pending = wiring::pending_migrations(&settings)?;
    let line = |(module, names): &(&str, Vec<String>)| match names.as_slice() {
        [] => format!("{module}: is up to date"),
        names => format!("{module}: would carry out {}", names.join(", ")),
    };
    let text = pending.iter().map(line).collect::<Vec<_>>().join("\n");
    let rows: Vec<_> = pending.iter().map(|(module, names)| json!({"module": module, "pending": names})).collect();
    context.out.show(&json!({"databases": rows, "dry_run": true}), |_| text);
    Ok(0)
}
