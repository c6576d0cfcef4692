//! A change of a product: what is to be different, and how it meets what is there.

use super::load::Extra;
use super::{Image, Product, ProductDraft, ProductSku, SkuDraft, Slug, Status};

/// What is to be different about a product; `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProductPatch {
    /// Names it in addresses.
    pub slug: Option<Slug>,
    /// What it is called.
    pub title: Option<String>,
    /// HTML or plain text.
    pub description: Option<String>,
    /// Who makes it.
    pub vendor: Option<String>,
    /// What kind of thing it is.
    pub kind: Option<String>,
    /// Words it can be found by.
    pub tags: Option<Vec<String>>,
    /// Whether it is sold.
    pub status: Option<Status>,
    /// The user who supplies it; `Some(None)` for the store itself.
    pub supplier: Option<Option<String>>,
    /// The names of its options.
    pub options: Option<Vec<String>>,
    /// Pictures.
    pub images: Option<Vec<Image>>,
    /// Slugs of its categories.
    pub categories: Option<Vec<Slug>>,
    /// Its variants, all of them: those left out are archived.
    pub skus: Option<Vec<SkuDraft>>,
}

impl ProductPatch {
    /// What `product` is to become.
    pub(crate) fn on(self, product: &Product) -> ProductDraft {
        let kept = ProductDraft::from(product);
        let skus = match self.skus {
            None => kept.skus,
            Some(skus) => skus.into_iter().map(|sku| with_extra_of(sku, &product.skus)).collect(),
        };
        ProductDraft {
            slug: self.slug.or(kept.slug),
            title: self.title.unwrap_or(kept.title),
            description: self.description.unwrap_or(kept.description),
            vendor: self.vendor.unwrap_or(kept.vendor),
            kind: self.kind.unwrap_or(kept.kind),
            tags: self.tags.unwrap_or(kept.tags),
            status: self.status.unwrap_or(kept.status),
            supplier: self.supplier.unwrap_or(kept.supplier),
            options: self.options.unwrap_or(kept.options),
            images: self.images.unwrap_or(kept.images),
            categories: self.categories.unwrap_or(kept.categories),
            skus,
            extra: kept.extra,
        }
    }
}

/// Columns that only files carry survive a change that cannot name them.
fn with_extra_of(mut sku: SkuDraft, known: &[ProductSku]) -> SkuDraft {
    if sku.extra.is_empty() {
        let same = known.iter().find(|one| one.sku == sku.sku);
        sku.extra = same.map_or_else(Extra::new, |one| one.extra.clone());
    }
    sku
}

impl From<&Product> for ProductDraft {
    fn from(product: &Product) -> Self {
        Self {
            slug: Some(product.slug.clone()),
            title: product.title.clone(),
            description: product.description.clone(),
            vendor: product.vendor.clone(),
            kind: product.kind.clone(),
            tags: product.tags.clone(),
            status: product.status,
            supplier: product.supplier.clone(),
            options: product.options.clone(),
            images: product.images.clone(),
            categories: product.categories.iter().map(|category| category.slug.clone()).collect(),
            skus: product.skus.iter().map(SkuDraft::from).collect(),
            extra: product.extra.clone(),
        }
    }
}

impl From<&ProductSku> for SkuDraft {
    fn from(sku: &ProductSku) -> Self {
        Self {
            sku: sku.sku.clone(),
            title: sku.title.clone(),
            options: sku.options.clone(),
            price: sku.price,
            compare_at: sku.compare_at,
            barcode: sku.barcode.clone(),
            grams: sku.grams,
            image: sku.image.clone(),
            extra: sku.extra.clone(),
        }
    }
}
