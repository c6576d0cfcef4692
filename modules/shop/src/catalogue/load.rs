//! Products read from their tables, with SKUs and categories, in a fixed number of queries.

use std::collections::{BTreeMap, HashMap};

use emporium_database::prelude::*;
use emporium_database::{Db, Failure, KeptList, few_lengths};
use emporium_inventory_api::Sku;
use emporium_kernel::Timestamp;
use emporium_shop_api::ProductId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::product::{CategoryId, CategoryRef};
use super::sellable::stored_money;
use super::{Product, ProductSku, Slug, Status};
use crate::error::Done;
use crate::schema::{category, product, product_category, skus};

#[derive(Queryable)]
struct ProductRow {
    id: String,
    slug: String,
    title: String,
    description: String,
    vendor: String,
    kind: String,
    tags: String,
    options: String,
    images: String,
    extra: String,
    status: String,
    supplier: Option<String>,
    _price_from: i64,
    _registered: i32,
    version: i64,
    created_at: i64,
    updated_at: i64,
}

#[derive(Queryable)]
struct SkuRow {
    sku: String,
    product: String,
    _position: i64,
    title: String,
    options: String,
    amount: i64,
    currency: String,
    compare_at: Option<i64>,
    barcode: String,
    grams: i64,
    image: String,
    extra: String,
    _archived: i32,
    _created_at: i64,
}

/// Products in the order of `ids`; unknown ones are left out.
pub(crate) fn by_ids(db: &mut Db, ids: &[ProductId]) -> Done<Vec<Product>> {
    let names: Vec<&str> = ids.iter().map(ProductId::as_str).collect();
    let rows = KeptList(product::table.filter(product::id.eq_any(few_lengths(&names)))).load(db)?;
    let found = complete(db, rows)?;
    let mut found: HashMap<ProductId, Product> = found.into_iter().map(|one| (one.id.clone(), one)).collect();
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

/// The product with this id.
pub(crate) fn by_id(db: &mut Db, id: &ProductId) -> Done<Option<Product>> {
    Ok(by_ids(db, std::slice::from_ref(id))?.pop())
}

/// The product with this id, which is there.
pub(crate) fn written(db: &mut Db, id: &ProductId) -> Done<Product> {
    by_id(db, id)?.ok_or_else(|| Failure::corrupt(format!("{id} is gone")))
}

/// The product with this id or slug.
pub(crate) fn by_key(db: &mut Db, key: &str) -> Done<Option<Product>> {
    match ProductId::parse(key) {
        Some(id) => by_id(db, &id),
        None => Ok(by_slugs(db, &[key])?.pop()),
    }
}

/// Products with these slugs, in no order.
pub(crate) fn by_slugs(db: &mut Db, slugs: &[&str]) -> Done<Vec<Product>> {
    let rows = product::table.filter(product::slug.eq_any(slugs)).load(db)?;
    complete(db, rows)
}

/// Up to `limit` products whose ids follow `after`, by id.
pub(crate) fn after(db: &mut Db, after: &str, limit: i64) -> Done<Vec<Product>> {
    let rows = product::table.filter(product::id.gt(after)).order(product::id).limit(limit).load(db)?;
    complete(db, rows)
}

/// Adds SKUs and categories to product rows: two queries, however many products.
fn complete(db: &mut Db, rows: Vec<ProductRow>) -> Done<Vec<Product>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let ids = few_lengths(&ids);
    let mut variants = skus_of(db, &ids)?;
    let mut categories = categories_of(db, &ids)?;
    rows.into_iter()
        .map(|row| {
            let (variants, categories) = (variants.remove(&row.id), categories.remove(&row.id));
            row.read(variants.unwrap_or_default(), categories.unwrap_or_default())
        })
        .collect()
}

fn skus_of(db: &mut Db, products: &[&str]) -> Done<HashMap<String, Vec<ProductSku>>> {
    let found = skus::table.filter(skus::product.eq_any(products).and(skus::archived.eq(0))).order((
        skus::product,
        skus::position,
        skus::sku,
    ));
    let rows: Vec<SkuRow> = KeptList(found).load(db)?;
    let mut found = HashMap::<String, Vec<ProductSku>>::new();
    for row in rows {
        let product = row.product.clone();
        found.entry(product).or_default().push(row.read()?);
    }
    Ok(found)
}

/// The categories of products, by slug, as they are named now.
pub(crate) fn categories_of(db: &mut Db, products: &[&str]) -> Done<HashMap<String, Vec<CategoryRef>>> {
    let found = product_category::table
        .inner_join(category::table.on(category::id.eq(product_category::category)))
        .filter(product_category::product.eq_any(products))
        .order((product_category::product, category::slug))
        .select((product_category::product, category::id, category::slug, category::name));
    let rows: Vec<(String, String, String, String)> = KeptList(found).load(db)?;
    let mut found = HashMap::<String, Vec<CategoryRef>>::new();
    for (product, id, slug, name) in rows {
        let one = CategoryRef { id: CategoryId::stored(id), slug: Slug::stored(slug), name };
        found.entry(product).or_default().push(one);
    }
    Ok(found)
}

impl ProductRow {
    fn read(self, skus: Vec<ProductSku>, categories: Vec<CategoryRef>) -> Done<Product> {
        let status = Status::parse(&self.status).ok_or_else(|| Failure::corrupt(format!("status {}", self.status)))?;
        Ok(Product {
            id: ProductId::stored(self.id),
            slug: Slug::stored(self.slug),
            title: self.title,
            description: self.description,
            vendor: self.vendor,
            kind: self.kind,
            tags: parsed(&self.tags)?,
            status,
            supplier: self.supplier,
            options: parsed(&self.options)?,
            images: parsed(&self.images)?,
            categories,
            skus,
            extra: parsed(&self.extra)?,
            version: self.version,
            created_at: Timestamp::from_micros(self.created_at),
            updated_at: Timestamp::from_micros(self.updated_at),
        })
    }
}

impl SkuRow {
    fn read(self) -> Done<ProductSku> {
        let price = stored_money(self.amount, &self.currency)?;
        let compare_at = self.compare_at.map(|amount| stored_money(amount, &self.currency)).transpose()?;
        Ok(ProductSku {
            sku: Sku::stored(self.sku),
            title: self.title,
            options: parsed(&self.options)?,
            price,
            compare_at,
            barcode: self.barcode,
            grams: self.grams,
            image: self.image,
            extra: parsed(&self.extra)?,
        })
    }
}

/// The value of a JSON column.
fn parsed<T: DeserializeOwned>(json: &str) -> Done<T> {
    serde_json::from_str(json).map_err(Failure::corrupt)
}

/// The text of a JSON column.
pub(crate) fn column<T: Serialize>(value: &T) -> Done<String> {
    serde_json::to_string(value).map_err(Failure::corrupt)
}

/// Columns of a product that are kept for those who gave them.
pub(crate) type Extra = BTreeMap<String, String>;
