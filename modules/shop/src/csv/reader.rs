//! A product file, checked whole and then read product by product.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;

use emporium_kernel::Currency;

use crate::ShopError;
use crate::csv::naming::Names;
use crate::csv::product::{Parsed, Wanted, parse, rename};
use crate::csv::remark::{Remark, RemarkCode};
use crate::csv::row::{Groups, io_failed};
use crate::csv::{Listing, unreadable};

/// A product as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The line where it begins.
    pub line: u64,
    /// Its handle as the file has it.
    pub handle: String,
    /// The lines of its variants, in their order.
    pub lines: Vec<u64>,
    /// The product.
    pub listing: Listing,
    /// What was noticed at its rows.
    pub remarks: Vec<Remark>,
}

/// A product file that was checked from its first to its last byte.
#[derive(Debug)]
pub struct ProductFile {
    groups: Groups,
    names: Names,
    currency: Currency,
    products: u64,
    skus: u64,
}

impl ProductFile {
    /// Opens a file and checks all of it; prices are in `currency` where the file does not say theirs. A file that is
    /// not in the format, or that cannot be understood without guessing, is [`ShopError::UnreadableFile`].
    pub fn open(path: &Path, currency: Currency) -> Result<Self, ShopError> {
        let mut file = File::open(path).map_err(|error| io_failed(&error))?;
        if !file.metadata().map_err(|error| io_failed(&error))?.is_file() {
            return Err(unreadable(0, "it is read twice and therefore has to be a file on a disk"));
        }
        let (mut names, mut products, mut skus) = (Names::default(), 0, 0);
        let mut groups = Groups::start(file.try_clone().map_err(|error| io_failed(&error))?)?;
        while let Some(group) = groups.next()? {
            let parsed = parse(&group, currency)?;
            products += 1;
            skus += u64::try_from(parsed.wanted.len()).unwrap_or(u64::MAX);
            let given = parsed.draft.skus.iter().zip(&parsed.wanted).filter(|(_, wanted)| wanted.given);
            given.for_each(|(draft, _)| names.note(&draft.sku));
        }
        file.seek(SeekFrom::Start(0)).map_err(|error| io_failed(&error))?;
        Ok(Self { groups: Groups::start(file)?, names, currency, products, skus })
    }

    /// How many products it holds.
    pub fn products(&self) -> u64 {
        self.products
    }

    /// How many variants it holds.
    pub fn skus(&self) -> u64 {
        self.skus
    }

    /// The next product; `None` at the end of the file.
    pub fn next_product(&mut self) -> Result<Option<Read>, ShopError> {
        let Some(group) = self.groups.next()? else { return Ok(None) };
        let parsed = parse(&group, self.currency)?;
        Ok(Some(self.named(parsed)))
    }

    /// Gives each variant a SKU that no other row of the file has.
    fn named(&mut self, parsed: Parsed) -> Read {
        let Parsed { line, handle, mut draft, categories, wanted, mut remarks } = parsed;
        let (mut stock, mut lines) = (BTreeMap::new(), Vec::new());
        for (at, Wanted { line, given, quantity }) in wanted.into_iter().enumerate() {
            let Some(asked) = draft.skus.get(at).map(|draft| draft.sku.clone()) else { break };
            let sku = self.names.claim(asked.clone(), given);
            let noticed = match (given, sku == asked) {
                (true, true) => None,
                (true, false) => {
                    Some((RemarkCode::SkuRepeated, format!("the SKU {asked} was there before; this one became {sku}")))
                }
                (false, _) => Some((RemarkCode::SkuMade, format!("there was no SKU; it got {sku}"))),
            };
            if let Some((code, message)) = noticed {
                remarks.push(Remark { line, handle: handle.clone(), code, message });
            }
            if let Some(pieces) = quantity {
                stock.insert(sku.clone(), pieces);
            }
            lines.push(line);
            rename(&mut draft, at, sku);
        }
        remarks.sort_by_key(|remark| remark.line);
        Read { line, handle, lines, listing: Listing { draft, categories, stock }, remarks }
    }
}
