//! `emporium stock`: looks at and changes stock.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use emporium_inventory::{LevelFilter, Stock};
use emporium_inventory_api::{Adjust, AdjustRow, Change, Inventory, Level, LocationId, Sku};
use emporium_kernel::{Call, Limit};
use serde_json::json;

use super::{Context, progress, refused, verify};
use crate::wiring::Mode;

/// What to do with stock.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Show stock by SKU and location.
    Show {
        /// Only this SKU.
        sku: Option<String>,
    },
    /// Add to what is on hand, or take away.
    Adjust {
        /// Which SKU.
        sku: String,
        /// By how many; negative takes away.
        #[arg(long, allow_hyphen_values = true, conflicts_with = "set", required_unless_present = "set")]
        delta: Option<i64>,
        /// To how many.
        #[arg(long)]
        set: Option<i64>,
        /// Where; the default location when not said.
        #[arg(long)]
        location: Option<String>,
        /// Why.
        #[arg(long)]
        reason: String,
        /// Refuse when on hand is something else.
        #[arg(long)]
        expected_on_hand: Option<i64>,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Set stock from a CSV file with the columns sku, quantity and, if wanted, location and mode (set or delta).
    Import {
        /// The file.
        file: PathBuf,
        /// Only check the file.
        #[arg(long)]
        dry_run: bool,
    },
    /// Check every invariant of stock.
    Verify,
}

/// Runs it.
pub async fn run(context: &Context, command: Command) -> anyhow::Result<u8> {
    let writes = matches!(command, Command::Adjust { dry_run: false, .. } | Command::Import { dry_run: false, .. });
    let opened = context.open(if writes { Mode::Own } else { Mode::ReadOnly })?;
    let stock = opened.module::<Stock>("inventory")?;
    match command {
        Command::Show { sku } => show(context, &stock, sku).await,
        Command::Adjust { sku, delta, set, location, reason, expected_on_hand, dry_run } => {
            let change = set.map(Change::Set).or(delta.map(Change::Delta)).context("say --delta or --set")?;
            let row = AdjustRow { sku: sku_of(&sku)?, location: place(location)?, change, reason, expected_on_hand };
            adjust(context, &stock, vec![row], dry_run).await
        }
        Command::Import { file, dry_run } => {
            let rows = read(&file)?;
            adjust(context, &stock, rows, dry_run).await
        }
        Command::Verify => {
            let audit = stock.verify(&Call::internal("stock-verify"), ()).await.map_err(refused)?;
            Ok(verify::report(context.out, &audit))
        }
    }
}

fn sku_of(text: &str) -> anyhow::Result<Sku> {
    Sku::parse(text).map_err(|error| anyhow::anyhow!("SKU {text:?}: {error}"))
}

fn place(text: Option<String>) -> anyhow::Result<Option<LocationId>> {
    let parse = |text: String| LocationId::parse(&text).ok_or_else(|| anyhow::anyhow!("{text} is not a location id"));
    text.filter(|text| !text.is_empty()).map(parse).transpose()
}

async fn show(context: &Context, stock: &Stock, sku: Option<String>) -> anyhow::Result<u8> {
    let sku = sku.as_deref().map(sku_of).transpose()?;
    let mut levels: Vec<Level> = Vec::new();
    let mut after = None;
    loop {
        let limit = Limit::LARGEST;
        let filter = LevelFilter { sku: sku.clone(), after: after.take(), limit, ..LevelFilter::default() };
        let page = stock.list_levels(filter).await.map_err(refused)?;
        levels.extend(page.data);
        let Some(next) = page.next_cursor else { break };
        after = Some(serde_json::from_value(next.into())?);
    }
    context.out.show(&json!({"data": levels}), |_| lines(&levels));
    Ok(0)
}

fn lines(levels: &[Level]) -> String {
    levels.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn line(level: &Level) -> String {
    let Level { sku, location, on_hand, reserved, available } = level;
    format!("{sku} at {location}: {on_hand} on hand, {reserved} reserved, {available} available")
}

/// Carries out rows, a thousand at a time, each thousand whole or not at all.
async fn adjust(context: &Context, stock: &Arc<Stock>, rows: Vec<AdjustRow>, dry_run: bool) -> anyhow::Result<u8> {
    let (count, run) = (rows.len(), context.random.token::<16>());
    let mut changed = Vec::new();
    if dry_run {
        changed = stock.foresee(rows).await.map_err(refused)?;
        context.out.show(&json!({"rows": count, "data": changed, "dry_run": true}), |_| {
            format!("{count} rows are fine; they would lead to\n{}", lines(&changed))
        });
        return Ok(0);
    }
    let bar = progress::bar(context, "rows");
    bar.set_length(u64::try_from(count)?);
    for (n, chunk) in rows.chunks(1_000).enumerate() {
        let ask = Adjust { id: format!("cli-{run}-{n}"), actor: "cli".to_owned(), rows: chunk.to_vec() };
        let levels = stock.adjust(&Call::internal("stock-command"), ask).await.map_err(refused);
        changed.extend(levels.with_context(|| format!("{} of {count} rows were done", n * 1_000))?);
        bar.inc(u64::try_from(chunk.len())?);
    }
    bar.finish_and_clear();
    context.out.show(&json!({"rows": count, "data": changed, "dry_run": false}), |_| lines(&changed));
    Ok(0)
}

/// Reads and checks the whole file before anything is changed.
fn read(file: &Path) -> anyhow::Result<Vec<AdjustRow>> {
    let mut reader = csv::Reader::from_path(file).with_context(|| file.display().to_string())?;
    let headers = reader.headers()?.clone();
    let column = |name: &str| headers.iter().position(|header| header.trim().eq_ignore_ascii_case(name));
    let (sku, quantity) = (column("sku").context("no column sku")?, column("quantity").context("no column quantity")?);
    let (location, mode) = (column("location"), column("mode"));
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        let cell = |at: Option<usize>| at.and_then(|at| record.get(at)).unwrap_or_default().trim();
        let at_line = || format!("line {}", record.position().map_or(0, csv::Position::line));
        let number: i64 = cell(Some(quantity)).parse().with_context(at_line)?;
        let change = match cell(mode) {
            "" | "set" => Change::Set(number),
            "delta" => Change::Delta(number),
            other => anyhow::bail!("{}: mode is {other:?}; write set or delta", at_line()),
        };
        rows.push(AdjustRow {
            sku: sku_of(cell(Some(sku))).with_context(at_line)?,
            location: place(Some(cell(location).to_owned())).with_context(at_line)?,
            change,
            reason: "stock import".to_owned(),
            expected_on_hand: None,
        });
    }
    Ok(rows)
}
