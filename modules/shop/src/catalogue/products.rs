//! Making, changing, archiving and reading products.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use actix_web::http::header::HeaderValue;
use actix_web::web::Bytes;
use emporium_database::audit::{self, Entry};
use emporium_database::idempotency::{self, Turn};
use emporium_database::{Db, Stale, refuse};
use emporium_kernel::{Call, ETag, Fault, Idempotency, Outage, Page};
use emporium_shop_api::ProductId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::category::{self, CategoryKey};
use super::listing::{self, Filter, Part};
use super::product::{CategoryRef, Image, ProductDraft};
use super::terms::NewTerms;
use super::{Product, ProductPatch, ProductSku, Rendered, Slug, Status, load, save};
use crate::error::Done;
use crate::{Shop, ShopError};

/// A product as buyers see it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct PublicProduct {
    /// Names it.
    id: ProductId,
    /// Names it in addresses.
    slug: Slug,
    /// What it is called.
    title: String,
    /// HTML or plain text.
    description: String,
    /// Who makes it.
    vendor: String,
    /// What kind of thing it is.
    kind: String,
    /// Words it can be found by.
    tags: Vec<String>,
    /// The names of its options.
    options: Vec<String>,
    /// Pictures.
    images: Vec<Image>,
    /// Where it stands in the category tree.
    categories: Vec<CategoryRef>,
    /// Its variants.
    skus: Vec<PublicSku>,
    /// Since when.
    created_at: emporium_kernel::Timestamp,
    /// Changed when.
    updated_at: emporium_kernel::Timestamp,
}

/// A variant as buyers see it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct PublicSku {
    /// Names it.
    sku: emporium_inventory_api::Sku,
    /// What it is called beside its product; may be empty.
    title: String,
    /// Its value of each option.
    options: Vec<String>,
    /// Its price.
    price: emporium_kernel::Money,
    /// What it cost before.
    compare_at: Option<emporium_kernel::Money>,
    /// Its own picture; may be empty.
    image: String,
}

impl From<Product> for PublicProduct {
    fn from(product: Product) -> Self {
        let Product { id, slug, title, description, vendor, kind, tags, options, images, categories, .. } = product;
        let skus = product.skus.into_iter().map(PublicSku::from).collect();
        let (created_at, updated_at) = (product.created_at, product.updated_at);
        Self {
            id,
            slug,
            title,
            description,
            vendor,
            kind,
            tags,
            options,
            images,
            categories,
            skus,
            created_at,
            updated_at,
        }
    }
}

impl From<ProductSku> for PublicSku {
    fn from(sku: ProductSku) -> Self {
        let ProductSku { sku, title, options, price, compare_at, image, .. } = sku;
        Self { sku, title, options, price, compare_at, image }
    }
}

/// Something that was made for a request.
#[derive(Clone, Debug)]
pub struct Made<T> {
    /// It.
    pub value: T,
    /// Whether an earlier request with the same key made it.
    pub again: bool,
}

impl Shop {
    /// Makes a product and registers its SKUs with inventory. When inventory does not answer, the product is there
    /// all the same and [`Shop::register_pending`] tells inventory later. The same `key` again makes no other product.
    pub async fn create_product(
        &self,
        call: &Call,
        key: Option<Idempotency>,
        draft: ProductDraft,
    ) -> Result<Made<Product>, ShopError> {
        let now = self.clock.now();
        let id = ProductId::new(now, &self.random);
        let entry = Entry::of(call, "product.created", id.as_str(), &json!({}), now, &self.random);
        let make = move |db: &mut Db| {
            match idempotency::turn(db, key.as_ref(), id.as_str(), now)? {
                Turn::First => {}
                Turn::Again(made) => {
                    let value = load::written(db, &ProductId::stored(made))?;
                    return Ok((Made { value, again: true }, Stale::Nothing));
                }
                Turn::Reused => return refuse(ShopError::IdempotencyKeyReused),
            }
            // Run again after an unknown commit, this finds what it made.
            if let Some(value) = load::by_id(db, &id)? {
                return Ok((Made { value, again: false }, Stale::Nothing));
            }
            let mut terms = NewTerms::default();
            save::insert(db, &id, &draft, now, &mut terms)?;
            terms.write(db)?;
            audit::write(db, &entry)?;
            Ok((Made { value: load::written(db, &id)?, again: false }, Stale::Nothing))
        };
        let made = self.change_catalogue(make).await?;
        self.announce_change(call, &made.value).await?;
        Ok(made)
    }

    /// Tells inventory of what was saved. An outage here is one after the fact.
    async fn announce_change(&self, call: &Call, product: &Product) -> Result<(), ShopError> {
        match self.register(call, vec![product.id.clone()]).await {
            Err(error) if error.outage().is_some() => {
                tracing::warn!(product = %product.id, %error, "saved; inventory is told later");
                Err(Outage::Unreachable.into())
            }
            told => told,
        }
    }

    /// Changes a product whose version is `seen`, or whichever version it has when that is `None`. To a `supplier`
    /// the products of others are not there.
    pub async fn change_product(
        &self,
        call: &Call,
        id: ProductId,
        seen: Option<i64>,
        patch: ProductPatch,
        supplier: Option<String>,
    ) -> Result<Product, ShopError> {
        let (now, command) = (self.clock.now(), self.random.token::<16>());
        let entry = Entry::of(call, "product.changed", id.as_str(), &json!({"from": seen}), now, &self.random);
        let change = move |db: &mut Db| {
            if idempotency::already_applied(db, &command, now)? {
                return Ok((load::written(db, &id)?, Stale::Everything));
            }
            let current = current(db, &id, seen, supplier.as_deref())?;
            let wanted = patch.clone().on(&current);
            let Some(saved) = save::replace(db, &current, &wanted, now)? else {
                return Ok((current, Stale::Nothing));
            };
            audit::write(db, &entry)?;
            let keys = vec![id.to_string(), current.slug.to_string(), saved.slug.to_string()];
            Ok((load::written(db, &id)?, Stale::Keys(keys)))
        };
        let product = self.change_catalogue(change).await?;
        self.announce_change(call, &product).await?;
        Ok(product)
    }

    /// Takes a product out of the shop. Orders still mention it, and its SKUs stay its own.
    pub async fn archive_product(
        &self,
        call: &Call,
        id: ProductId,
        seen: Option<i64>,
        supplier: Option<String>,
    ) -> Result<(), ShopError> {
        let patch = ProductPatch { status: Some(Status::Archived), ..ProductPatch::default() };
        self.change_product(call, id, seen, patch, supplier).await.map(drop)
    }

    /// The product with this id, unless it is another supplier's.
    pub(crate) async fn product(&self, id: ProductId, supplier: Option<String>) -> Result<Product, ShopError> {
        self.database.read(move |db| current(db, &id, None, supplier.as_deref())).await
    }

    /// A page of products.
    pub(crate) async fn products(&self, filter: Filter, part: Part) -> Result<Page<Product>, ShopError> {
        self.database.read(move |db| listing::page(db, &filter, &part)).await
    }

    /// Up to `limit` products of any status whose ids follow `after`, by id: how all of them are exported.
    pub async fn all_products(&self, after: Option<ProductId>, limit: u16) -> Result<Vec<Product>, ShopError> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        self.database.read(move |db| load::after(db, &after, i64::from(limit))).await
    }

    /// The slugs of some categories; an unknown one is refused.
    pub(crate) async fn category_slugs(&self, keys: Vec<CategoryKey>) -> Result<Vec<Slug>, ShopError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let slugs = move |db: &mut Db| keys.iter().map(|key| Ok(category::known(db, key)?.slug)).collect();
        self.database.read(slugs).await
    }

    /// An active product by id or slug, rendered for buyers; from memory when it was asked for before.
    pub(crate) async fn rendered(&self, key: String) -> Result<Arc<Rendered>, ShopError> {
        if let Some(rendered) = self.products.get(&key) {
            return Ok(rendered);
        }
        let since = self.products.generation();
        let wanted = key.clone();
        let product = self.database.read(move |db| active(db, &wanted)).await?;
        let rendered = Arc::new(render(product)?);
        self.products.keep(key, rendered.clone(), since);
        Ok(rendered)
    }

    /// Runs a write of the catalogue and then forgets what it made out of date. It goes on when whoever asked is
    /// gone: a commit that is not followed by that would leave an old answer in memory for ever. Work that was run again
    /// may tell only of what its last run changed.
    pub(crate) async fn change_catalogue<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Db) -> Done<(T, Stale)> + Send + 'static,
    ) -> Result<T, ShopError> {
        let (database, products) = (self.database.clone(), self.products.clone());
        let runs = Arc::new(AtomicU32::new(0));
        let counted = runs.clone();
        let work = move |db: &mut Db| {
            counted.fetch_add(1, Ordering::Relaxed);
            work(db)
        };
        let done = tokio::spawn(async move {
            let done = database.write(work).await;
            match &done {
                _ if runs.load(Ordering::Relaxed) > 1 => products.forget(&Stale::Everything),
                Ok((_, stale)) => products.forget(stale),
                // Perhaps it was committed; nobody knows what.
                Err(error) if emporium_kernel::Fault::outage(error).is_some() => products.forget(&Stale::Everything),
                Err(_) => {}
            }
            done.map(|(value, _)| value)
        });
        done.await.unwrap_or_else(|_| Err(Outage::Internal.into()))
    }
}

fn current(db: &mut Db, id: &ProductId, seen: Option<i64>, supplier: Option<&str>) -> Done<Product> {
    match load::by_id(db, id)? {
        Some(found) if supplier.is_none_or(|own| found.supplier.as_deref() == Some(own)) => match seen {
            Some(seen) if seen != found.version => {
                refuse(ShopError::StaleVersion { current_version: ETag(found.version).to_string() })
            }
            _ => Ok(found),
        },
        _ => refuse(ShopError::NotFound),
    }
}

fn active(db: &mut Db, key: &str) -> Done<Product> {
    match load::by_key(db, key)? {
        Some(found) if found.status == Status::Active => Ok(found),
        _ => refuse(ShopError::NotFound),
    }
}

/// The tag names the content and not the row's version: renaming a category changes the content alone.
fn render(product: Product) -> Result<Rendered, ShopError> {
    let body = serde_json::to_vec(&PublicProduct::from(product)).map_err(|_| Outage::Internal)?;
    let hash: String = Sha256::digest(&body).iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    let etag = HeaderValue::from_str(&format!("\"{hash}\"")).map_err(|_| Outage::Internal)?;
    Ok(Rendered { body: Bytes::from(body), etag })
}
