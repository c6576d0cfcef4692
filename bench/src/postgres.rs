//! The yardstick for transfers: raw SQL in a durable PostgreSQL of our own, where it is installed.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::process::Process;

const SCRIPT: &str = include_str!("../transfer.sql");
const TABLES: &str = "CREATE TABLE accounts (id bigint PRIMARY KEY, balance bigint NOT NULL); \
                      INSERT INTO accounts SELECT id, 100000000000 FROM generate_series(1, 10000) AS id; \
                      CREATE TABLE transfers (id bigserial PRIMARY KEY, debit bigint NOT NULL, \
                      credit bigint NOT NULL, amount bigint NOT NULL, at timestamptz NOT NULL DEFAULT now()); \
                      VACUUM ANALYZE accounts; CHECKPOINT;";
const PATIENCE: Duration = Duration::from_secs(30);

/// Whom PostgreSQL runs as when we are root, whom it refuses.
#[derive(Clone, Copy)]
struct User {
    id: u32,
    group: u32,
}

/// A private cluster on a unix socket.
struct Cluster {
    folder: TempDir,
    user: Option<User>,
    process: Option<Process>,
}

/// Two-row transfers a second at 32 connections, each in a durable transaction of its own; `None` where PostgreSQL is
/// not installed.
pub fn transfers_per_second(beside: &Path, measured: Duration) -> anyhow::Result<Option<f64>> {
    if ["initdb", "postgres", "psql", "pgbench"].into_iter().any(|name| tool(name).is_none()) {
        return Ok(None);
    }
    let mut cluster = Cluster::make(beside.parent().unwrap_or(beside))?;
    cluster.start()?;
    let rate = cluster.measure(measured)?;
    if let Some(process) = cluster.process.take() {
        process.stop("INT")?;
    }
    Ok(Some(rate))
}

impl Cluster {
    fn make(beside: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("emporium-bench-pg-").tempdir_in(beside)?;
        let user = if std::fs::metadata("/proc/self")?.uid() == 0 { Some(someone()?) } else { None };
        if let Some(User { id, group }) = user {
            chown(folder.path(), Some(id), Some(group))?;
        }
        let cluster = Self { folder, user, process: None };
        let mut initdb = cluster.command("initdb")?;
        initdb.args(["--username=bench", "--auth=trust", "--encoding=UTF8", "--locale=C", "--pgdata=data"]);
        told(&mut initdb)?;
        Ok(cluster)
    }

    /// A command as the right user, in the cluster's folder.
    fn command(&self, name: &str) -> anyhow::Result<Command> {
        let path = tool(name).with_context(|| format!("no {name}"))?;
        let mut command = match self.user {
            None => Command::new(path),
            Some(User { id, group }) => {
                let mut command = Command::new("setpriv");
                command.arg(format!("--reuid={id}")).arg(format!("--regid={group}")).arg("--clear-groups").arg(path);
                command
            }
        };
        command.current_dir(self.folder.path());
        Ok(command)
    }

    /// Starts it with the settings PostgreSQL comes with, the durable ones spelled out, and makes the tables.
    fn start(&mut self) -> anyhow::Result<()> {
        let mut command = self.command("postgres")?;
        let durable = ["-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "full_page_writes=on"];
        command.args(["-D", "data", "-c", "listen_addresses=", "-k"]).arg(self.folder.path()).args(durable);
        self.process = Some(Process::start(command.stderr(Stdio::null()))?);
        let started = Instant::now();
        while told(self.command("psql")?.args(["-h"]).arg(self.folder.path()).args(ON).args(["-c", "SELECT 1"]))
            .is_err()
        {
            if started.elapsed() > PATIENCE {
                bail!("PostgreSQL does not answer");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        for statement in TABLES.split("; ") {
            told(self.command("psql")?.arg("-h").arg(self.folder.path()).args(ON).arg("-c").arg(statement))?;
        }
        Ok(())
    }

    fn measure(&self, measured: Duration) -> anyhow::Result<f64> {
        std::fs::write(self.folder.path().join("transfer.sql"), SCRIPT)?;
        let seconds = measured.as_secs().max(1).to_string();
        let mut pgbench = self.command("pgbench")?;
        pgbench.args([
            "--no-vacuum",
            "--protocol=prepared",
            "-f",
            "transfer.sql",
            "-c",
            "32",
            "-j",
            "2",
            "-T",
            &seconds,
        ]);
        let text = told(pgbench.arg("-h").arg(self.folder.path()).args(["-U", "bench", "postgres"]))?;
        let line = text.lines().find_map(|line| line.strip_prefix("tps = ")).context("pgbench told no tps")?;
        Ok(line.split_whitespace().next().unwrap_or_default().parse()?)
    }
}

const ON: [&str; 5] = ["-U", "bench", "-d", "postgres", "-q"];

/// Runs a command to its end; its output.
fn told(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A program of PostgreSQL: the newest where Debian puts them, else on the path.
fn tool(name: &str) -> Option<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let mut versions: Vec<PathBuf> = installed.map(|entry| entry.path()).collect();
    versions.sort_by_key(version);
    let debian = versions.into_iter().rev().map(|path| path.join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    debian.chain(std::env::split_paths(&path)).map(|folder| folder.join(name)).find(|tool| tool.is_file())
}

fn someone() -> anyhow::Result<User> {
    let users = std::fs::read_to_string("/etc/passwd")?;
    let user = |name: &str| {
        let mut fields = users.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":"))?.split(':').skip(1);
        Some(User { id: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
    };
    user("postgres").or_else(|| user("nobody")).context("no user to run PostgreSQL as")
}
