//! `emporium backup`: a copy of every database, made while the shop runs.

use std::path::PathBuf;

use clap::Args;
use emporium_database::Url;
use serde_json::json;

use super::Context;
use crate::settings::Overrides;

/// Options of `backup`.
#[derive(Args, Debug)]
pub struct Options {
    /// The folder for the copies; it is created, and nothing in it is overwritten.
    to: PathBuf,
    /// Only say what would be copied.
    #[arg(long)]
    dry_run: bool,
}

/// The shop goes first: an order that is placed while the copies are made is then still pending in its copy, and its
/// saga is finished after a restore from what stock and wallet have of it.
const ORDER: [&str; 4] = ["shop", "inventory", "wallet", "auth"];

/// Copies each held database and checks the copy. Keys are not copied: they stay where they are.
pub fn run(context: &Context, options: &Options) -> anyhow::Result<u8> {
    let settings = context.settings(Overrides::default())?;
    let mut copies = Vec::new();
    for module in ORDER.iter().filter(|module| settings.holds(module)) {
        let from: Url = settings.database(module)?;
        let to = options.to.join(format!("{module}.db"));
        if !options.dry_run {
            emporium_database::backup(&from, &to)?;
        }
        copies.push(json!({"module": module, "from": from.to_string(), "to": to}));
    }
    let dry_run = options.dry_run;
    context.out.show(&json!({"copies": copies, "dry_run": dry_run}), |_| {
        let verb = if dry_run { "would copy" } else { "copied and checked" };
        copies.iter().map(|copy| format!("{verb} {} to {}", copy["from"], copy["to"])).collect::<Vec<_>>().join("\n")
    });
    Ok(0)
}
