//! Export: the catalogue becomes a product file, which imported again changes nothing.

use std::collections::BTreeMap;
use std::io::{self, Write};

use emporium_inventory_api::Sku;
use emporium_kernel::Call;
use emporium_shop_api::ProductId;
use serde::Serialize;

use crate::catalogue::product::CategoryRef;
use crate::catalogue::{Product, ProductDraft, Slug};
use crate::csv::stock::on_hand;
use crate::csv::{Columns, Listing, ProductWriter};
use crate::{Shop, ShopError};

/// Products that are read at once.
const PAGE: u16 = 200;

/// What an export wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Products.
    pub products: u64,
    /// Variants.
    pub skus: u64,
}

/// Why an export failed; what was written so far is no product file.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The shop or a neighbour refused.
    #[error(transparent)]
    Shop(#[from] ShopError),
    /// The file could not be written.
    #[error("the file cannot be written: {0}")]
    File(#[from] io::Error),
    /// A product got a column that it did not have when the export began.
    #[error("{slug} was changed while it was exported; export again")]
    Changed {
        /// The product.
        slug: String,
    },
}

/// Writes all products of any status, without archived variants, in Shopify's format, with what is on hand at all
/// locations. The catalogue is read twice: first for the columns it needs and to count it. `tell` hears what is written,
/// and of how many products.
pub async fn export(
    shop: &Shop,
    call: &Call,
    out: impl Write,
    mut tell: impl FnMut(&Exported, u64),
) -> Result<Exported, ExportError> {
    let (mut columns, mut count) = (Columns::default(), 0);
    let mut pages = Pages { shop, after: None };
    while let Some(page) = pages.next().await? {
        count += u64::try_from(page.len()).unwrap_or(0);
        page.iter().for_each(|product| columns.meet(&listing(product, &BTreeMap::new())));
    }
    let mut writer = ProductWriter::start(out, columns)?;
    let mut exported = Exported::default();
    let mut pages = Pages { shop, after: None };
    while let Some(page) = pages.next().await? {
        let skus: Vec<Sku> = page.iter().flat_map(|product| &product.skus).map(|sku| sku.sku.clone()).collect();
        let stock = on_hand(shop, call, &skus).await?;
        for product in &page {
            if !writer.write(&listing(product, &stock))? {
                return Err(ExportError::Changed { slug: product.slug.to_string() });
            }
            exported.products += 1;
            exported.skus += u64::try_from(product.skus.len()).unwrap_or(0);
        }
        tell(&exported, count);
    }
    writer.finish()?;
    Ok(exported)
}

/// All products, page by page.
struct Pages<'a> {
    shop: &'a Shop,
    after: Option<ProductId>,
}

impl Pages<'_> {
    async fn next(&mut self) -> Result<Option<Vec<Product>>, ShopError> {
        let page = self.shop.all_products(self.after.take(), PAGE).await?;
        self.after = page.last().map(|last| last.id.clone());
        Ok((!page.is_empty()).then_some(page))
    }
}

fn listing(product: &Product, stock: &BTreeMap<Sku, i64>) -> Listing {
    let mut draft = ProductDraft::from(product);
    draft.categories.clear();
    let stock = product.skus.iter().filter_map(|sku| Some((sku.sku.clone(), *stock.get(&sku.sku)?)));
    Listing { categories: category_names(product), stock: stock.collect(), draft }
}

/// The names by which the import finds the same categories: it makes slugs from them.
fn category_names(product: &Product) -> Vec<String> {
    // The cell has a line for each of them.
    let leads_to = |text: &str, slug: &Slug| !text.contains('\n') && Slug::from_words(text).as_ref() == Some(slug);
    let name = |category: &CategoryRef| match &category.slug {
        slug if leads_to(&product.kind, slug) => product.kind.clone(),
        slug if leads_to(&category.name, slug) => category.name.clone(),
        slug => slug.to_string(),
    };
    product.categories.iter().map(name).collect()
}
