//! One run of the benchmark: what its parts share.

use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::closed::Closed;
use crate::loads::Ask;
use crate::open::Open;
use crate::report::{Load, Report};
use crate::server::Binary;
use crate::shop::{Seeded, Shop};
use crate::tally::Tally;

/// Connections of an open loop, at most; more wait for each other only when the server is slower than it is asked.
const STEADY: u32 = 256;

/// A run.
pub struct Bench {
    /// The binary under test.
    pub binary: Binary,
    /// How long each load is measured.
    pub measured: Duration,
    /// Whether less of everything is enough.
    pub quick: bool,
    /// What was found.
    pub report: Report,
    folder: TempDir,
    seeded: Option<Seeded>,
    shops: u32,
}

impl Bench {
    /// A run that keeps its data below `folder`, or where this machine keeps temporary files.
    pub fn new(binary: Binary, measured: Duration, quick: bool, folder: Option<&Path>) -> anyhow::Result<Self> {
        let mut named = tempfile::Builder::new();
        named.prefix("emporium-bench-");
        let folder = match folder {
            Some(folder) => named.tempdir_in(folder)?,
            None => named.tempdir()?,
        };
        let cores = std::thread::available_parallelism()?.get();
        let report = Report::new(cores);
        Ok(Self { binary, measured, quick, report, folder, seeded: None, shops: 0 })
    }

    /// How long each open loop is, in whole seconds.
    pub fn seconds(&self) -> u32 {
        u32::try_from(self.measured.as_secs()).unwrap_or(u32::MAX).max(1)
    }

    /// Where the run keeps its data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The stopped shop that all others are copies of.
    pub fn seeded(&mut self) -> anyhow::Result<&Seeded> {
        let seeded = match self.seeded.take() {
            Some(seeded) => seeded,
            None => Seeded::make(&self.binary, &self.folder.path().join("seeded"))?,
        };
        Ok(self.seeded.insert(seeded))
    }

    /// Starts a fresh shop.
    pub fn shop(&mut self) -> anyhow::Result<Shop> {
        self.shops += 1;
        let (binary, folder) = (self.binary.clone(), self.folder.path().join(format!("shop-{}", self.shops)));
        self.seeded()?.open(&binary, &folder)
    }

    /// Starts a fresh shop with so many more products and orders.
    pub fn grown_shop(&mut self, size: u32) -> anyhow::Result<Shop> {
        let (binary, folder) = (self.binary.clone(), self.folder.path().join(format!("grown-{size}")));
        self.seeded()?.open_grown(&binary, &folder, size)
    }

    /// A closed loop that nobody waits in.
    pub fn closed<'a>(&self, shop: &Shop, connections: usize, ask: &'a Ask) -> Closed<'a> {
        let (address, measured) = (shop.server.public, self.measured);
        Closed { address, connections, measured, comes_back: Duration::ZERO, ask }
    }

    /// Measures a closed loop.
    pub fn load(&mut self, shop: &Shop, name: &str, connections: usize, ask: &Ask) -> anyhow::Result<Load> {
        let closed = self.closed(shop, connections, ask);
        self.measure(shop, name, || {
            let tally = closed.run()?;
            Ok((connections, tally.good.len(), tally))
        })
    }

    /// Measures an open loop of so many requests a second.
    pub fn steady(&mut self, shop: &Shop, name: &str, rate: u32, ask: &Ask) -> anyhow::Result<Load> {
        let open = Open { address: shop.server.public, rate, seconds: self.seconds(), connections: STEADY, ask };
        self.measure(shop, &format!("{name}, {rate} each second"), || {
            let opened = open.run()?;
            let mut tally = opened.total()?;
            tally.failed += opened.unsent;
            Ok((usize::try_from(opened.connections)?, opened.good_in_time, tally))
        })
    }

    /// Measures what gives a number of connections, successes in time, and all that came.
    fn measure(
        &mut self,
        shop: &Shop,
        name: &str,
        run: impl FnOnce() -> anyhow::Result<(usize, u64, Tally)>,
    ) -> anyhow::Result<Load> {
        let before = shop.server.commits()?;
        let (connections, in_time, tally) = run()?;
        let after = shop.server.commits()?;
        let seconds = self.measured.as_secs_f64();
        let mut load = Load::of(name, connections, seconds, &tally, shop.server.memory()?);
        load.per_second = ratio(in_time, self.measured.as_secs());
        let (jobs, commits) = (after.jobs - before.jobs, after.commits - before.commits);
        // Background work commits now and then; it says nothing about a load that only reads.
        load.jobs_per_commit = (jobs > tally.good.len() / 2).then(|| ratio(jobs, commits));
        self.report.load(load.clone())?;
        Ok(load)
    }

    /// Stops a shop and proves that its stock, money and orders are right.
    pub fn close(&mut self, shop: Shop, after: &str) -> anyhow::Result<()> {
        let started = Instant::now();
        let right = shop.close(&self.binary)?;
        let target = Some(crate::report::Target::AtLeast(1.0));
        self.report.fact(&format!("books right after {after}"), f64::from(u8::from(right)), "yes=1", target)?;
        self.report.say(&format!("  (checked in {:.1} s)", started.elapsed().as_secs_f64()))
    }
}

/// One count over another; 0 when there is nothing to compare with.
pub fn ratio(one: u64, other: u64) -> f64 {
    let as_float = |count| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if other == 0 { 0.0 } else { as_float(one) / as_float(other) }
}
