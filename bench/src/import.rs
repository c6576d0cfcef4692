//! The import of a large catalogue from a file in Shopify's format.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::bench::Bench;
use crate::catalogue;
use crate::process::Process;
use crate::report::Target::AtMost;

const SKUS: u32 = 100_000;
const QUICK_SKUS: u32 = 10_000;
const VARIANTS: [&str; 4] = ["Small", "Medium", "Large", "Huge"];
const LONGEST: Duration = Duration::from_secs(600);
const TARGET_SECONDS: f64 = 60.0;

/// Imports it into an empty shop.
pub fn import(bench: &mut Bench) -> anyhow::Result<()> {
    let skus = if bench.quick { QUICK_SKUS } else { SKUS };
    let (file, data) = (bench.folder().join("catalogue.csv"), bench.folder().join("imported"));
    write(&file, skus)?;
    let started = Instant::now();
    let mut command = bench.binary.command(&data, &["product", "import"]);
    let mut process = Process::start(command.arg(&file))?;
    let mut peak = 0;
    let code = loop {
        if let Some(code) = process.ended()? {
            break code;
        }
        // A process that has just ended has no memory any more.
        peak = process.memory().map_or(peak, |memory| memory.peak.max(peak));
        if started.elapsed() > LONGEST {
            bail!("the import takes longer than {LONGEST:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let took = started.elapsed().as_secs_f64();
    bench.report.say(&format!("import of {skus} SKUs, exit {code}: {}", process.line()?.trim()))?;
    // What is bounded is the whole: a quick run is a tenth of it.
    let target = TARGET_SECONDS * f64::from(skus) / f64::from(SKUS);
    bench.report.fact("import", took, "s", Some(AtMost(target)))?;
    let peak = f64::from(u32::try_from(peak)?) / 1_024.0;
    bench.report.fact("import, peak memory", peak, "MiB", None)
}

/// Writes a file with so many SKUs, four to a product.
fn write(path: &Path, skus: u32) -> anyhow::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let columns = "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,\
                   Variant Grams,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,\
                   Variant Fulfillment Service,Variant Price,Variant Compare At Price,Variant Requires Shipping,\
                   Variant Taxable,Variant Barcode,Gift Card,SEO Title,SEO Description,Variant Weight Unit,Status";
    writeln!(out, "{columns}")?;
    for number in 0..usize::try_from(skus)? / VARIANTS.len() {
        let ((word, thing), body) = (catalogue::words(number), catalogue::description(number));
        for (variant, size) in VARIANTS.iter().enumerate() {
            write!(out, "{word}-{thing}-{number},")?;
            if variant == 0 {
                write!(
                    out,
                    "{word} {thing} {number},\"{body}\",Yardstick Goods,{thing},\"{word}, {thing}\",true,Size,"
                )?;
            } else {
                write!(out, ",,,,,,,")?;
            }
            let (price, stock) = (5 + number % 90 + variant, 1 + number % 200);
            write!(out, "{size},IMP-{number}-{variant},250,shopify,{stock},deny,manual,{price}.00,,true,true,,")?;
            writeln!(out, "{}", if variant == 0 { "false,,,g,active" } else { ",,,g," })?;
        }
    }
    Ok(out.flush()?)
}
