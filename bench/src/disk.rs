//! How often a second the disk makes a write durable: what every commit waits for.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

const BLOCK: [u8; 4096] = [0x5a; 4096];

/// Appends of 4 KiB a second, each followed by fdatasync, in this folder.
pub fn syncs_per_second(folder: &Path, measured: Duration) -> anyhow::Result<f64> {
    let path = folder.join("fdatasync");
    let mut file = File::create(&path)?;
    let (started, mut syncs) = (Instant::now(), 0_u32);
    while started.elapsed() < measured {
        file.write_all(&BLOCK)?;
        file.sync_data()?;
        syncs += 1;
    }
    let rate = f64::from(syncs) / started.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(rate)
}
