//! Measures a running emporium: speed, size, a flash sale, overload, import and start, beside yardsticks of the same
//! minute on the same machine.
#![expect(clippy::disallowed_methods, reason = "a benchmark looks at the clock and stands outside of the shop")]
#![expect(clippy::float_arithmetic, reason = "rates and ratios are for reading; no money is counted here")]

mod bare;
mod batch;
mod bench;
mod catalogue;
mod client;
mod closed;
mod disk;
mod everyday;
mod flash;
mod growth;
mod import;
mod loads;
mod login;
mod open;
mod overload;
mod people;
mod postgres;
mod process;
mod report;
mod request;
mod server;
mod shop;
mod start;
mod tally;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::{Parser, Subcommand, ValueEnum};

use crate::bench::Bench;
use crate::server::Binary;

const QUICK_SECONDS: u64 = 2;
/// Open files that the largest number of connections needs, with some to spare.
const OPEN_FILES: u64 = 4_096;

/// Measures emporium on this machine.
#[derive(Parser, Debug)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Measure each load for two seconds, and import a tenth.
    #[arg(long)]
    quick: bool,
    /// Seconds that each load is measured.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// The parts to run, separated by commas; all when not said.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Where the results are written as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The server to measure; when not said, it is built.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Below which folder, and so on which disk, data is kept; the folder for temporary files when not said.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Answers one JSON value to everybody.
    #[command(hide = true)]
    Bare {
        /// The value.
        file: PathBuf,
    },
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Pages, lists and searches, beside a bare handler.
    Read,
    /// Logins, what they do to others, and whether their time tells who has an account.
    Login,
    /// Transfers, beside PostgreSQL.
    Transfer,
    /// Orders at 1, 8, 64 and 256 connections.
    Order,
    /// Everything as customers do it.
    Mixed,
    /// Two thousand buyers for a hundred pieces.
    Flash,
    /// More orders than can be placed.
    Overload,
    /// A catalogue of 100,000 SKUs.
    Import,
    /// Start, memory and size.
    Start,
    /// A thousand, a hundred thousand and a million products and orders. Takes ten minutes, so only when it is named.
    Growth,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(Command::Bare { file }) = arguments.command {
        return bare::serve(&file);
    }
    if process::most_open_files()? < OPEN_FILES {
        bail!("two thousand connections need more open files: run `ulimit -n {OPEN_FILES}` first");
    }
    let binary = arguments.binary.map_or_else(Binary::build, |path| Ok(Binary(path)))?;
    let seconds = if arguments.quick { QUICK_SECONDS } else { arguments.seconds };
    let folder = arguments.folder.as_deref();
    let mut bench = Bench::new(binary, Duration::from_secs(seconds), arguments.quick, folder)?;
    let usual = Part::value_variants().iter().copied().filter(|part| *part != Part::Growth);
    let parts = if arguments.only.is_empty() { usual.collect() } else { arguments.only };
    let outcome = measure(&mut bench, &parts);
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_vec_pretty(&bench.report)?)?;
    }
    outcome
}

fn measure(bench: &mut Bench, parts: &[Part]) -> anyhow::Result<()> {
    let syncs = disk::syncs_per_second(bench.folder(), Duration::from_secs(2))?;
    bench.report.say(&format!("{} cores, data in {}", bench.report.cores, bench.folder().display()))?;
    bench.report.fact("fdatasync", syncs, "/s", None)?;
    bench.report.head()?;
    for part in parts {
        run(bench, *part)?;
    }
    bench.report.targets()
}

fn run(bench: &mut Bench, part: Part) -> anyhow::Result<()> {
    match part {
        Part::Read => everyday::read(bench),
        Part::Login => login::measure(bench),
        Part::Transfer => everyday::transfer(bench),
        Part::Order => everyday::order(bench),
        Part::Mixed => everyday::mixed(bench),
        Part::Flash => flash::sale(bench),
        Part::Overload => overload::overload(bench),
        Part::Import => import::import(bench),
        Part::Start => start::start(bench),
        Part::Growth => growth::growth(bench),
    }
}
