//! `emporium product`: imports and exports products as Shopify's CSV.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use emporium_kernel::{Call, Currency};
use emporium_shop::Shop;
use emporium_shop::csv::{Exported, ImportOptions, ImportReport, Products, Progress, Remark, StockMode};
use serde::Serialize;
use serde_json::json;

use super::{Context, progress, refused};
use crate::wiring::Mode;

/// What to do with products.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Import products, variants, prices and stock from Shopify's product CSV.
    Import {
        /// The file.
        file: PathBuf,
        /// Whose stock is set: only that of SKUs which this run creates, or that of all.
        #[arg(long, value_enum, default_value_t = Stock::Created)]
        stock: Stock,
        /// The currency of the file's prices; the shop's when not said.
        #[arg(long, value_parser = currency)]
        currency: Option<Currency>,
        /// Only check the file and say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Export all products in the same format.
    Export {
        /// The file; standard output when not said.
        file: Option<PathBuf>,
    },
}

/// Whose stock an import sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stock {
    /// Only that of SKUs which this run creates.
    Created,
    /// That of all SKUs in the file.
    Set,
}

fn currency(code: &str) -> Result<Currency, String> {
    Currency::parse(code).ok_or_else(|| "use an ISO 4217 code in capitals, as in USD".to_owned())
}

/// Runs it.
pub async fn run(context: &Context, command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Import { file, stock, currency, dry_run } => {
            let opened = context.open(if dry_run { Mode::ReadOnly } else { Mode::Own })?;
            let shop = opened.module::<Shop>("shop")?;
            let stock = if stock == Stock::Set { StockMode::Set } else { StockMode::Created };
            let currency = currency.unwrap_or(shop.settings().currency);
            import(context, &shop, &file, ImportOptions { dry_run, stock, currency, actor: "import".to_owned() }).await
        }
        Command::Export { file } => {
            let opened = context.open(Mode::ReadOnly)?;
            let shop = opened.module::<Shop>("shop")?;
            export(context, &shop, file.as_deref()).await
        }
    }
}

async fn import(context: &Context, shop: &Shop, file: &Path, options: ImportOptions) -> anyhow::Result<u8> {
    let (bar, dry_run) = (progress::bar(context, "SKUs"), options.dry_run);
    let mut remarks = Vec::new();
    let tell = |progress| match progress {
        Progress::Checked { skus, .. } => bar.set_length(skus),
        Progress::Done { skus } => bar.set_position(skus),
        Progress::Remark(remark) if context.out.is_json() => remarks.push(remark),
        Progress::Remark(remark) => bar.suspend(|| context.out.line(&line(&remark))),
    };
    let report = emporium_shop::csv::import(shop, &Call::internal("product-import"), file, options, tell).await;
    bar.finish_and_clear();
    let report = report.map_err(refused)?;
    let remarked = report.remarks.values().sum::<u64>() > 0;
    let told = Told {
        products: report.products,
        skus_created: report.skus_created,
        stock_set: report.stock_set,
        remarks,
        dry_run,
    };
    context.out.show(&told, |_| explain(&report, dry_run));
    Ok(u8::from(remarked))
}

/// What an import tells machines.
#[derive(Serialize)]
struct Told {
    products: emporium_shop::csv::Products,
    skus_created: u64,
    stock_set: u64,
    remarks: Vec<Remark>,
    dry_run: bool,
}

fn line(remark: &Remark) -> String {
    let Remark { line, handle, code, message } = remark;
    format!("line {line}: {handle}: {message} ({})", code.name())
}

fn explain(report: &ImportReport, dry_run: bool) -> String {
    let Products { created, changed, unchanged, refused } = report.products;
    let remarks: u64 = report.remarks.values().sum();
    format!(
        "{created} products created, {changed} changed, {unchanged} unchanged, {refused} refused; {} SKUs created, stock of {} \
         set; {remarks} remarks{}",
        report.skus_created,
        report.stock_set,
        if dry_run { " (dry run: nothing was written)" } else { "" },
    )
}

/// Where an export is written until it is whole, so that one that fails leaves an earlier file as it was.
fn unfinished(path: &Path) -> PathBuf {
    if path.exists() && !path.is_file() {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Writes an export that is on the disk when it takes the place of an earlier one.
async fn export_to(context: &Context, shop: &Shop, file: &Path) -> anyhow::Result<Exported> {
    let mut out = BufWriter::new(File::create(file).with_context(|| file.display().to_string())?);
    let written = write(context, shop, &mut out).await?;
    out.flush()?;
    if file.is_file() {
        out.get_ref().sync_all()?;
    }
    Ok(written)
}

/// Writes all products, and shows how far it is.
async fn write(context: &Context, shop: &Shop, out: impl Write) -> anyhow::Result<Exported> {
    let bar = progress::bar(context, "products");
    let tell = |exported: &Exported, of| {
        bar.set_length(of);
        bar.set_position(exported.products);
    };
    let written = emporium_shop::csv::export(shop, &Call::internal("product-export"), out, tell).await;
    bar.finish_and_clear();
    Ok(written?)
}

/// Prints the file: as it is, or for machines as text within one object.
async fn print(context: &Context, shop: &Shop) -> anyhow::Result<u8> {
    if !context.out.is_json() {
        write(context, shop, std::io::stdout().lock()).await?;
        return Ok(0);
    }
    let mut file = Vec::new();
    let Exported { products, skus } = write(context, shop, &mut file).await?;
    let told = json!({"csv": String::from_utf8(file)?, "products": products, "skus": skus});
    context.out.show(&told, |_| String::new());
    Ok(0)
}

async fn export(context: &Context, shop: &Shop, file: Option<&Path>) -> anyhow::Result<u8> {
    let Some(path) = file else { return print(context, shop).await };
    let unfinished = unfinished(path);
    let written = export_to(context, shop, &unfinished).await;
    if unfinished != path {
        match &written {
            Ok(_) => std::fs::rename(&unfinished, path)?,
            Err(_) => std::fs::remove_file(&unfinished)?,
        }
    }
    let written = written?;
    let (products, skus) = (written.products, written.skus);
    context.out.show(&json!({"file": path, "products": products, "skus": skus}), |_| {
        format!("{products} products with {skus} SKUs in {}", path.display())
    });
    Ok(0)
}
