//! A child process that ends with its owner, whatever happens in between.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

const PATIENCE: Duration = Duration::from_secs(20);

/// A running child. Dropping it kills it.
pub struct Process {
    child: Child,
    /// Kept open, so that the child never writes into a closed pipe.
    out: Option<BufReader<ChildStdout>>,
}

/// What a process holds in memory, in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Now.
    pub resident: u64,
    /// At its highest since it started, or since that was forgotten.
    pub peak: u64,
}

impl Process {
    /// Starts it with its standard output in our hands.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start a child")?;
        let out = child.stdout.take().map(BufReader::new);
        Ok(Self { child, out })
    }

    /// The next line it writes.
    pub fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.out.as_mut().context("nothing to read from")?.read_line(&mut line)?;
        Ok(line)
    }

    /// Its memory, as the kernel tells it.
    pub fn memory(&self) -> anyhow::Result<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        Ok(Memory { resident: kib("VmRSS:"), peak: kib("VmHWM:") })
    }

    /// Lets its peak be what it holds now (`proc_pid_clear_refs(5)`).
    pub fn forget_peak(&self) -> anyhow::Result<()> {
        Ok(std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5")?)
    }

    /// Its exit code once it has ended.
    pub fn ended(&mut self) -> anyhow::Result<Option<i32>> {
        Ok(self.child.try_wait()?.map(|status| status.code().unwrap_or(-1)))
    }

    /// Asks it with a signal such as `TERM` to end, and waits until it has.
    pub fn stop(mut self, signal: &str) -> anyhow::Result<()> {
        let told = Command::new("kill").arg(format!("-{signal}")).arg(self.child.id().to_string()).status()?;
        if !told.success() {
            bail!("kill -{signal} failed");
        }
        let asked = Instant::now();
        while self.ended()?.is_none() {
            if asked.elapsed() > PATIENCE {
                bail!("a child did not end within {PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) && self.child.kill().is_ok() {
            let _ended = self.child.wait();
        }
    }
}

/// How many files and sockets a process of ours may have open.
pub fn most_open_files() -> anyhow::Result<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).context("no limit of open files")?;
    Ok(line.split_whitespace().next().and_then(|soft| soft.parse().ok()).unwrap_or(u64::MAX))
}
