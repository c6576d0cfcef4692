//! The release binary of emporium, serving a data folder.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::process::{Memory, Process};

const PATIENCE: Duration = Duration::from_secs(20);

/// The binary under test.
#[derive(Clone, Debug)]
pub struct Binary(pub PathBuf);

impl Binary {
    /// Builds it beside our own executable, with the settings of a release.
    pub fn build() -> anyhow::Result<Self> {
        let own = std::env::current_exe()?;
        let target = own.parent().and_then(Path::parent).context("the benchmark runs outside of a target folder")?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the benchmark has no project")?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.current_dir(root).args(["build", "--release", "-p", "emporium", "--bin", "emporium", "--target-dir"]);
        if !build.arg(target).status()?.success() {
            bail!("the binary cannot be built");
        }
        Ok(Self(target.join("release").join("emporium")))
    }

    /// A command on a data folder.
    pub fn command(&self, data: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.0);
        command.args(arguments).arg("--data").arg(data);
        command.env("EMPORIUM_LOG__LEVEL", "error");
        // So that codes can be asked for; they go nowhere.
        command.env("EMPORIUM_AUTH__MAIL__TRANSPORT", "staff");
        // All come from one address here.
        command.env("EMPORIUM_AUTH__LOGINS_A_MINUTE", "0").env("EMPORIUM_AUTH__REGISTRATIONS_A_MINUTE", "0");
        command
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> anyhow::Result<u64> {
        Ok(std::fs::metadata(&self.0).with_context(|| self.0.display().to_string())?.len())
    }
}

/// A process that serves.
pub struct Server {
    process: Process,
    /// Where the public API answers.
    pub public: SocketAddr,
    management: SocketAddr,
    /// From spawning it until it said that it is ready.
    pub ready_after: Duration,
}

/// Group commits and the jobs in them, over all databases.
#[derive(Clone, Copy, Debug, Default)]
pub struct Commits {
    /// Transactions that were made durable.
    pub commits: u64,
    /// Jobs in them.
    pub jobs: u64,
}

impl Server {
    /// Starts it on free ports and waits until it is ready.
    pub fn start(binary: &Binary, data: &Path) -> anyhow::Result<Self> {
        Self::start_with(binary, data, &[])
    }

    /// The same with these settings as well, by the names that they have in the environment.
    pub fn start_with(binary: &Binary, data: &Path, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let spawned = Instant::now();
        let listen = ["serve", "--json", "--listen", "127.0.0.1:0", "--management", "127.0.0.1:0"];
        let mut command = binary.command(data, &listen);
        command.envs(settings.iter().copied());
        let mut process = Process::start(command.env("EMPORIUM_PAYMENTS__DEPOSITS", "instant"))?;
        let line = process.line()?;
        let told: BTreeMap<String, Value> = serde_json::from_str(&line).context("the server did not start")?;
        let (public, management) = (address(&told, "public")?, address(&told, "management")?);
        while !fetch(management, "/actuator/health/readiness").is_ok_and(|text| text.starts_with("HTTP/1.1 200")) {
            if spawned.elapsed() > PATIENCE {
                bail!("the server is not ready after {PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Self { process, public, management, ready_after: spawned.elapsed() })
    }

    /// Its memory.
    pub fn memory(&self) -> anyhow::Result<Memory> {
        self.process.memory()
    }

    /// Lets its highest memory be what it holds now.
    pub fn forget_peak(&self) -> anyhow::Result<()> {
        self.process.forget_peak()
    }

    /// What its writers have committed since it started.
    pub fn commits(&self) -> anyhow::Result<Commits> {
        let metrics = self.metrics()?;
        let commits = metrics.counted("emporium_writer_commits_total{");
        Ok(Commits { commits, jobs: metrics.counted("emporium_writer_jobs_total{") })
    }

    /// Whether it has found that stock, money and orders are right since it started. That they are not, or could not be
    /// proved, is an error.
    pub fn is_proved(&self) -> anyhow::Result<bool> {
        let metrics = self.metrics()?;
        let proofs = |module, outcome| {
            metrics.counted(&format!(r#"emporium_proofs_total{{module="{module}",outcome="{outcome}"}}"#))
        };
        for module in BOOKS {
            ensure!(proofs(module, "wrong") == 0, "the books of {module} are wrong; its log says how");
            ensure!(proofs(module, "failed") == 0, "the books of {module} could not be proved; its log says why");
        }
        Ok(BOOKS.iter().all(|module| proofs(module, "right") > 0))
    }

    fn metrics(&self) -> anyhow::Result<Metrics> {
        Ok(Metrics(fetch(self.management, "/metrics")?))
    }

    /// Lets it finish and waits for its end.
    pub fn stop(self) -> anyhow::Result<()> {
        self.process.stop("TERM")
    }
}

/// The modules that keep books.
const BOOKS: [&str; 3] = ["inventory", "wallet", "shop"];

/// What a process counts, at one moment.
struct Metrics(String);

impl Metrics {
    /// What counters have come to whose line begins so.
    fn counted(&self, start: &str) -> u64 {
        let lines = self.0.lines().filter(|line| line.starts_with(start));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }
}

fn address(told: &BTreeMap<String, Value>, name: &str) -> anyhow::Result<SocketAddr> {
    let url = told.get(name).and_then(Value::as_str).with_context(|| format!("no address {name}"))?;
    url.trim_start_matches("http://").parse().with_context(|| url.to_owned())
}

/// One answer with head and body, over a connection of its own.
fn fetch(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
