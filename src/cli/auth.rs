//! `emporium auth`: the keys that sign access tokens.

use clap::Subcommand;
use emporium_auth::rotate_keys;

use super::Context;
use crate::settings::Overrides;
use crate::wiring::auth_section;

/// What to do with the keys.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Make a new key for access tokens, also beside a running server; it signs six minutes from now, when every process
    /// knows it, and the one before it verifies until its last token has ended.
    RotateKeys {
        /// Let the new key sign at once and remove the others: every access token that was given is refused, and clients
        /// refresh theirs. For a key that somebody else may have.
        #[arg(long)]
        now: bool,
    },
}

/// Runs it.
pub fn run(context: &Context, command: &Command) -> anyhow::Result<u8> {
    let settings = context.settings(Overrides::default())?;
    let Command::RotateKeys { now: at_once } = command;
    let section = auth_section(&settings)?;
    let made = rotate_keys(&section, &settings.general.data, context.clock.now(), &context.random, *at_once)?;
    context.out.show(&made, |made| format!("the key {} signs from {} on", made.kid, made.signs_from));
    Ok(0)
}
