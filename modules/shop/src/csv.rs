//! Product files in Shopify's CSV format: what is read, what is written, and how a file becomes the catalogue.
//!
//! Rows that share a `Handle` stand together and are one product; a row with a price is a variant, a row with nothing
//! but a picture adds a picture. A file is checked from its first to its last byte before anything is changed, so it
//! arrives whole or not at all; one that scatters the rows of a product is refused too. Memory holds one batch of
//! products, and a hash of each SKU and handle of the file.
//!
//! Cells that a spreadsheet would take for a formula are written with an apostrophe before them and read without it.
//! What Shopify's columns cannot say stands in columns of our own, whose names begin with `Emporium`.

mod cell;
mod column;
mod export;
mod import;
mod known;
mod naming;
mod preview;
mod product;
mod reader;
mod remark;
mod row;
mod stock;
mod strict;
mod variant;
mod writer;

use std::collections::BTreeMap;

use emporium_inventory_api::Sku;

use crate::ShopError;
use crate::catalogue::{ProductDraft, Slug};

pub use export::{ExportError, Exported, export};
pub use import::{ImportOptions, ImportReport, Products, Progress, import};
pub use reader::{ProductFile, Read};
pub use remark::{Remark, RemarkCode};
pub use stock::StockMode;
pub use writer::{Columns, ProductWriter};

/// One product of a file: what the catalogue is to hold, and how many there are of each variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The product; its categories are named in `categories` instead, because the file knows no slugs.
    pub draft: ProductDraft,
    /// The names of its categories.
    pub categories: Vec<String>,
    /// On hand, of the SKUs for which the file says it.
    pub stock: BTreeMap<Sku, i64>,
}

/// The categories of a product that names none: its type.
fn categories_of(kind: &str) -> Vec<String> {
    Slug::from_words(kind).map(|_| kind.to_owned()).into_iter().collect()
}

/// The file is refused.
fn unreadable(line: u64, reason: impl Into<String>) -> ShopError {
    ShopError::UnreadableFile { line, reason: reason.into() }
}
