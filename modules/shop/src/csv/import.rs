//! Import: a product file becomes the catalogue, batch by batch. Running it again changes nothing, also after it was
//! killed: stock of a new SKU is set before the catalogue takes the SKU, so what is not in the catalogue is not done.

use std::collections::BTreeMap;
use std::path::Path;

use emporium_kernel::{Call, Currency, Outage};
use serde::Serialize;

use crate::catalogue::{Outcome, ProductDraft, SkuDraft, Slug, Upserted};
use crate::csv::known::{self, Known};
use crate::csv::preview::Preview;
use crate::csv::reader::{ProductFile, Read};
use crate::csv::remark::{Remark, RemarkCode};
use crate::csv::stock::{Stock, StockMode};
use crate::{Shop, ShopError};

/// A batch ends with the product that makes it this many.
const BATCH_PRODUCTS: usize = 200;
/// A batch ends with the product that brings it to this many SKUs.
const BATCH_SKUS: usize = 500;
/// Names of categories that are remembered, at most.
const REMEMBERED: usize = 10_000;

/// How to import.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// Read and compare everything, change nothing.
    pub dry_run: bool,
    /// Whose stock is set.
    pub stock: StockMode,
    /// The currency of prices that do not say theirs.
    pub currency: Currency,
    /// Who imports: a user id, or `import`.
    pub actor: String,
}

/// What an import did, or in a dry run would have done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// What became of the products.
    pub products: Products,
    /// SKUs that are new to the catalogue.
    pub skus_created: u64,
    /// SKUs whose stock was set.
    pub stock_set: u64,
    /// How many remarks there were, by code.
    pub remarks: BTreeMap<&'static str, u64>,
}

/// What became of the products of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Products {
    /// New ones.
    pub created: u64,
    /// Those of which something differed.
    pub changed: u64,
    /// Those of which nothing differed.
    pub unchanged: u64,
    /// Those that the catalogue refused.
    pub refused: u64,
}

/// What an import tells while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The whole file was read and is in order; so much is in it.
    Checked {
        /// Products.
        products: u64,
        /// Variants.
        skus: u64,
    },
    /// So many variants are done.
    Done {
        /// Variants since the beginning.
        skus: u64,
    },
    /// Something was noticed at a row.
    Remark(Remark),
}

/// Imports a product file. A file that is not in the format is refused before anything was changed.
///
/// A product of the file becomes what the file says: variants that it does not mention are archived. Products that the
/// file does not mention stay as they are. Remarks are told as they are found and only counted in the report, so that
/// memory stays bounded.
pub async fn import(
    shop: &Shop,
    call: &Call,
    path: &Path,
    options: ImportOptions,
    mut tell: impl FnMut(Progress),
) -> Result<ImportReport, ShopError> {
    let (path, currency) = (path.to_owned(), options.currency);
    let mut file = apart(move || ProductFile::open(&path, currency)).await?;
    tell(Progress::Checked { products: file.products(), skus: file.skus() });
    let mut run = Run::start(shop, options).await?;
    let mut done = 0;
    loop {
        let (rest, batch) = apart(move || batch(file)).await?;
        file = rest;
        if batch.is_empty() {
            return Ok(run.report);
        }
        done += batch.iter().map(|product| count(product.lines.len())).sum::<u64>();
        run.take(call, batch, &mut tell).await?;
        tell(Progress::Done { skus: done });
    }
}

/// Runs work that reads files where it blocks nobody.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ShopError> + Send + 'static,
) -> Result<T, ShopError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Outage::Internal.into()))
}

fn batch(mut file: ProductFile) -> Result<(ProductFile, Vec<Read>), ShopError> {
    let (mut batch, mut skus) = (Vec::new(), 0);
    while batch.len() < BATCH_PRODUCTS && skus < BATCH_SKUS {
        let Some(product) = file.next_product()? else { break };
        skus += product.lines.len();
        batch.push(product);
    }
    Ok((file, batch))
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// An import under way.
struct Run<'a> {
    shop: &'a Shop,
    stock: Stock<'a>,
    /// What the catalogue holds, in a dry run.
    preview: Option<Preview>,
    /// The slugs of categories that were met.
    categories: BTreeMap<String, Slug>,
    report: ImportReport,
}

impl<'a> Run<'a> {
    async fn start(shop: &'a Shop, options: ImportOptions) -> Result<Self, ShopError> {
        let preview = if options.dry_run { Some(Preview::of(shop).await?) } else { None };
        let stock = Stock::new(shop, &options);
        Ok(Self { shop, stock, preview, categories: BTreeMap::new(), report: ImportReport::default() })
    }

    /// Imports some products.
    async fn take(&mut self, call: &Call, batch: Vec<Read>, tell: &mut impl FnMut(Progress)) -> Result<(), ShopError> {
        let known = known::of(self.shop, &batch).await?;
        let mut remarks: Vec<Remark> = Vec::new();
        remarks.extend(self.stock.set_new(call, &batch, &known).await?);
        let drafts = self.drafts(&batch).await?;
        let written = match &self.preview {
            Some(preview) => preview.upserted(&drafts, &known),
            None => self.shop.upsert_products(call, drafts).await?,
        };
        remarks.extend(batch.iter().zip(&written).filter_map(|(product, one)| self.note(product, one)));
        remarks.extend(self.stock.set_known(call, &batch, &known).await?);
        self.report.stock_set = self.stock.set;
        let mut of_rows: Vec<Remark> = batch.into_iter().flat_map(|product| product.remarks).collect();
        of_rows.append(&mut remarks);
        of_rows.sort_by_key(|remark| remark.line);
        for remark in of_rows {
            *self.report.remarks.entry(remark.code.name()).or_default() += 1;
            tell(Progress::Remark(remark));
        }
        Ok(())
    }

    /// The drafts with the slugs of their categories, which are made when they are missing.
    async fn drafts(&mut self, batch: &[Read]) -> Result<Vec<ProductDraft>, ShopError> {
        if self.categories.len() > REMEMBERED {
            self.categories.clear();
        }
        let named = batch.iter().flat_map(|product| &product.listing.categories);
        let mut missing: Vec<String> = named.filter(|name| !self.categories.contains_key(*name)).cloned().collect();
        missing.sort();
        missing.dedup();
        if self.preview.is_some() {
            self.categories
                .extend(missing.into_iter().filter_map(|name| Some((name.clone(), Slug::from_words(&name)?))));
        } else if !missing.is_empty() {
            self.categories.extend(self.shop.ensure_categories(&missing).await?);
        }
        let drafts = batch.iter().map(|product| {
            let mut draft = product.listing.draft.clone();
            draft.categories =
                product.listing.categories.iter().filter_map(|name| self.categories.get(name)).cloned().collect();
            draft
        });
        Ok(drafts.collect())
    }

    /// Counts what became of a product; a refusal is a remark.
    fn note(&mut self, product: &Read, upserted: &Upserted) -> Option<Remark> {
        let products = &mut self.report.products;
        match &upserted.outcome {
            Ok(Outcome::Created) => products.created += 1,
            Ok(Outcome::Changed) => products.changed += 1,
            Ok(Outcome::Unchanged) => products.unchanged += 1,
            Err(_) => products.refused += 1,
        }
        self.report.skus_created += count(upserted.created_skus.len());
        let refusal = upserted.outcome.as_ref().err()?;
        let (line, handle) = (product.line, product.handle.clone());
        let message = format!("the product was refused and left as it is: {refusal}");
        Some(Remark { line, handle, code: RemarkCode::ProductRefused, message })
    }
}

/// The SKUs of a product that are new to the catalogue; none when another product has one of them, because the
/// catalogue then refuses the product.
pub(super) fn new_skus<'a>(draft: &'a ProductDraft, known: &'a Known) -> impl Iterator<Item = &'a SkuDraft> {
    let conflict =
        draft.skus.iter().any(|sku| known.get(&sku.sku).is_some_and(|slug| Some(slug) != draft.slug.as_ref()));
    draft.skus.iter().filter(move |sku| !conflict && !known.contains_key(&sku.sku))
}
