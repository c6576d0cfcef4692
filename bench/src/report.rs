//! What was measured: printed row by row while it goes on, and kept for a file of JSON.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::process::Memory;
use crate::tally::{Tally, is_done, quantile};

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Cores of this machine.
    pub cores: usize,
    /// When it was measured, in seconds since 1970.
    pub taken_at: u64,
    loads: Vec<Load>,
    facts: Vec<Fact>,
}

/// What came of one load.
#[derive(Clone, Debug, Serialize)]
pub struct Load {
    /// Which load.
    pub name: String,
    /// Over so many connections.
    pub connections: usize,
    /// Successes a second.
    pub per_second: f64,
    /// Latencies of successes in microseconds.
    pub latency: Latency,
    /// Answers that do not tell of something done, by status.
    pub not_done: BTreeMap<u16, u64>,
    /// Requests without an answer, or with one that tells to come back but not when.
    pub failed: u64,
    /// The server's memory afterwards, in KiB.
    pub resident_kib: u64,
    /// Jobs that shared one durable commit, on average; absent when nothing was written.
    pub jobs_per_commit: Option<f64>,
}

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// Half are faster.
    pub p50: u64,
    /// One in a hundred is slower.
    pub p99: u64,
    /// One in a thousand is slower.
    pub p999: u64,
    /// The slowest.
    pub max: u64,
}

/// A single number, and what it should be.
#[derive(Clone, Debug, Serialize)]
pub struct Fact {
    name: String,
    value: f64,
    unit: &'static str,
    target: Option<Target>,
}

/// What a number should be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// So much or more.
    AtLeast(f64),
    /// So much or less.
    AtMost(f64),
}

impl Target {
    fn is_reached(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(least) => format!("at least {least:.2}"),
            Self::AtMost(most) => format!("at most {most:.2}"),
        }
    }
}

impl Load {
    /// What `tally` counted in so many seconds.
    pub fn of(name: &str, connections: usize, seconds: f64, tally: &Tally, memory: Memory) -> Self {
        let (good, statuses) = (&tally.good, tally.statuses.iter());
        let successes = f64::from(u32::try_from(good.len()).unwrap_or(u32::MAX));
        Self {
            name: name.to_owned(),
            connections,
            per_second: successes / seconds,
            latency: Latency {
                p50: quantile(good, 0.5),
                p99: quantile(good, 0.99),
                p999: quantile(good, 0.999),
                max: good.max(),
            },
            not_done: statuses.filter(|(status, _)| !is_done(**status)).map(|(s, n)| (*s, *n)).collect(),
            failed: tally.failed,
            resident_kib: memory.resident,
            jobs_per_commit: None,
        }
    }

    fn row(&self) -> String {
        let Latency { p50, p99, p999, max } = self.latency;
        let mut errors: Vec<String> = self.not_done.iter().map(|(status, n)| format!("{n}x{status}")).collect();
        errors.extend((self.failed > 0).then(|| format!("{} failed", self.failed)));
        let errors = if errors.is_empty() { "none".to_owned() } else { errors.join(" ") };
        let commits = self.jobs_per_commit.map_or_else(String::new, |jobs| format!("{jobs:.1}"));
        let [p50, p99, p999, max] = [p50, p99, p999, max].map(millis);
        let memory = self.resident_kib / 1024;
        format!(
            "{:<38} {:>5} {:>9.0} {p50:>9} {p99:>9} {p999:>9} {max:>9} {memory:>6} {commits:>8}  {errors}",
            self.name, self.connections, self.per_second
        )
    }
}

impl Report {
    /// Nothing measured yet.
    pub fn new(cores: usize) -> Self {
        let taken_at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { cores, taken_at, loads: Vec::new(), facts: Vec::new() }
    }

    /// Says something.
    #[expect(clippy::unused_self, reason = "what is said goes the way of everything reported")]
    pub fn say(&self, line: &str) -> anyhow::Result<()> {
        Ok(writeln!(std::io::stdout().lock(), "{line}")?)
    }

    /// Says what the columns of the loads are.
    pub fn head(&self) -> anyhow::Result<()> {
        let columns = ["conns", "good/s", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "MiB", "jobs/fsync"];
        let [conns, good, p50, p99, p999, max, memory, commits] = columns;
        self.say(&format!(
            "{:<38} {conns:>5} {good:>9} {p50:>9} {p99:>9} {p999:>9} {max:>9} {memory:>6} {commits:>8}  not good",
            "load"
        ))
    }

    /// Keeps and prints a load.
    pub fn load(&mut self, load: Load) -> anyhow::Result<()> {
        self.say(&load.row())?;
        self.loads.push(load);
        Ok(())
    }

    /// Keeps and prints a number.
    pub fn fact(&mut self, name: &str, value: f64, unit: &'static str, target: Option<Target>) -> anyhow::Result<()> {
        self.facts.push(Fact { name: name.to_owned(), value, unit, target });
        self.say(&format!("  {name}: {value:.2} {unit}"))
    }

    /// A load that was measured.
    pub fn find(&self, name: &str, connections: usize) -> Option<&Load> {
        self.loads.iter().find(|load| load.name == name && load.connections == connections)
    }

    /// Prints every number that has a target beside it.
    pub fn targets(&self) -> anyhow::Result<()> {
        self.say("\ntargets")?;
        for fact in &self.facts {
            let Some(target) = fact.target else { continue };
            let verdict = if target.is_reached(fact.value) { "reached" } else { "MISSED" };
            let Fact { name, value, unit, .. } = fact;
            self.say(&format!("{name:<44} {value:>10.2} {unit:<8} {:<18} {verdict}", target.text()))?;
        }
        Ok(())
    }
}

/// Microseconds as milliseconds.
pub fn millis(micros: u64) -> String {
    format!("{}.{:02}", micros / 1_000, micros % 1_000 / 10)
}
