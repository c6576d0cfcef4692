//! `emporium config`: checks and shows the configuration.

use clap::Subcommand;
use serde_json::{Value, json};

use super::Context;
use crate::settings::Overrides;
use crate::wiring;

/// What to do with the configuration.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Read all layers and name every mistake.
    Check,
    /// Print what is set in the end.
    Show,
}

/// Runs it.
pub fn run(context: &Context, command: &Command) -> anyhow::Result<u8> {
    let settings = context.settings(Overrides::default())?;
    wiring::check_sections(&settings)?;
    match command {
        Command::Check => context.out.show(&json!({"valid": true}), |_| "the configuration is valid".to_owned()),
        Command::Show => context.out.show(&settings.shown()?, |value| flat("", value).join("\n")),
    }
    Ok(0)
}

/// One `key = value` line for each value.
fn flat(path: &str, value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(key, value)| {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flat(&path, value)
            })
            .collect(),
        value => vec![format!("{path} = {value}")],
    }
}
