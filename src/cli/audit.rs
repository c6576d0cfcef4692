//! `emporium audit`: what was done, and the proof that nobody altered the log of it.

use clap::Subcommand;
use emporium_database::audit::{self, Written};
use emporium_kernel::{Finding, Outage};
use serde::Serialize;

use super::{Context, refused};
use crate::wiring::Mode;

/// What to do with the audit logs.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Check the chain of every log; exit code 1 when an entry was altered, taken out or put in.
    Verify,
    /// Print entries of one module, the oldest first.
    List {
        /// Whose log: auth, inventory, shop or wallet.
        module: String,
        /// After this entry.
        #[arg(long, default_value_t = 0)]
        after: i64,
        /// At most so many, 1 to 1000.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
}

/// What became of one log.
#[derive(Serialize)]
struct Verified {
    module: &'static str,
    /// Entries that were looked at.
    checked: i64,
    /// The hash of the last one. Kept elsewhere, it shows that not all of the log was written anew.
    head: String,
    findings: Vec<Finding>,
}

impl Verified {
    fn line(&self) -> String {
        let Self { module, checked, head, findings } = self;
        match findings.first() {
            Some(wrong) => format!("{module}: {}: {}", wrong.subject, wrong.detail),
            None => format!("{module}: {checked} entries, none altered; the last is {head:?}"),
        }
    }
}

/// Runs it.
pub async fn run(context: &Context, command: Command) -> anyhow::Result<u8> {
    let opened = context.open(Mode::ReadOnly)?;
    match command {
        Command::Verify => {
            let mut logs = Vec::new();
            for (module, database) in opened.modules.databases() {
                let audit::Verified { audit, head } = audit::verify::<Outage>(database).await.map_err(refused)?;
                logs.push(Verified { module, checked: audit.checked, head, findings: audit.findings });
            }
            let altered = logs.iter().any(|log| !log.findings.is_empty());
            let lines = logs.iter().map(Verified::line).collect::<Vec<_>>().join("\n");
            context.out.show(&serde_json::json!({"logs": logs}), |_| lines);
            Ok(u8::from(altered))
        }
        Command::List { module, after, limit } => {
            let mut databases = opened.modules.databases();
            let found = databases.find(|(name, _)| *name == module);
            let (_, database) = found.ok_or_else(|| anyhow::anyhow!("this configuration does not hold {module}"))?;
            let entries = audit::entries::<Outage>(database, after, limit).await.map_err(refused)?;
            context.out.show(&serde_json::json!({"data": entries}), |_| {
                entries.iter().map(line).collect::<Vec<_>>().join("\n")
            });
            Ok(0)
        }
    }
}

fn line(entry: &Written) -> String {
    let Written { seq, at, actor, action, subject, detail, request } = entry;
    format!("{seq} {at} {actor} {action} {subject} {detail} ({request})")
}
