//! Starting on an existing data folder, and what an idle shop weighs.

use std::time::Duration;

use crate::bench::Bench;
use crate::report::Target::AtMost;
use crate::server::Server;

const STARTS: usize = 5;
/// How long a shop has done nothing when its memory is read.
const IDLE: Duration = Duration::from_millis(500);
const MEGABYTE: f64 = 1_000_000.0;

/// Starts it five times.
pub fn start(bench: &mut Bench) -> anyhow::Result<()> {
    let folder = bench.seeded()?.folder().to_owned();
    let (mut times, mut resident) = (Vec::new(), 0);
    for _ in 0..STARTS {
        let server = Server::start(&bench.binary, &folder)?;
        times.push(server.ready_after);
        std::thread::sleep(IDLE);
        resident = server.memory()?.resident;
        server.stop()?;
    }
    times.sort_unstable();
    let median = times.get(STARTS / 2).copied().unwrap_or_default();
    bench.report.fact("start to ready", median.as_secs_f64() * 1_000.0, "ms", Some(AtMost(300.0)))?;
    let idle = f64::from(u32::try_from(resident)?) * 1_024.0 / MEGABYTE;
    bench.report.fact("memory idle", idle, "MB", Some(AtMost(40.0)))?;
    let size = f64::from(u32::try_from(bench.binary.bytes()?)?) / MEGABYTE;
    bench.report.fact("release binary", size, "MB", Some(AtMost(30.0)))
}
