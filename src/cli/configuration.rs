//! `emporium config`: checks and shows the configuration, and the key of this process.

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
    /// Print the public key of this process, which others name in `services.trusted`; the key is made when there is none.
    Key,
}

/// Runs it.
pub fn run(context: &Context, command: &Command) -> anyhow::Result<u8> {
    let settings = context.settings(Overrides::default())?;
    wiring::check(&settings)?;
    match command {
        Command::Key => {
            let key = wiring::service_key(&settings, &context.random)?;
            context.out.show(&json!({"public_key": key.public()}), |_| key.public().to_owned());
        }
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
