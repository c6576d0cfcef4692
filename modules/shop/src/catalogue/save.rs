//! Products written to their tables: the row, its SKUs, its categories, what it is found by, and the event.

use std::collections::BTreeSet;

use emporium_database::prelude::*;
use emporium_database::{Db, outbox, overtaken, refuse};
use emporium_inventory_api::Sku;
use emporium_kernel::Timestamp;
use emporium_shop_api::ProductId;
use serde_json::json;

use super::load::column;
use super::product::CategoryRef;
use super::terms::NewTerms;
use super::{Product, ProductDraft, Slug, Status, category, load, skus, slug, terms};
use crate::error::Done;
use crate::schema::{product, product_category};

/// What writing a product did.
#[derive(Debug)]
pub(crate) struct Saved {
    /// Its slug.
    pub slug: Slug,
    /// The SKUs that are new.
    pub created_skus: Vec<Sku>,
}

/// Makes a product, not yet registered with inventory. Its terms are left to the caller to write.
pub(crate) fn insert(
    db: &mut Db,
    id: &ProductId,
    draft: &ProductDraft,
    now: Timestamp,
    terms: &mut NewTerms,
) -> Done<Saved> {
    let slug = slug::free(db, draft.slug.as_ref(), &draft.title, is_taken)?;
    let row = (
        (product::id.eq(id.as_str()), product::slug.eq(slug.as_str()), product::title.eq(&draft.title)),
        (product::description.eq(&draft.description), product::vendor.eq(&draft.vendor), product::kind.eq(&draft.kind)),
        (product::tags.eq(column(&draft.tags)?), product::options.eq(column(&draft.options)?)),
        (product::images.eq(column(&draft.images)?), product::extra.eq(column(&draft.extra)?)),
        (product::status.eq(draft.status.name()), product::supplier.eq(draft.supplier.as_deref())),
        (product::price_from.eq(skus::price_from(&draft.skus)), product::registered.eq(0), product::version.eq(1)),
        (product::created_at.eq(now.micros()), product::updated_at.eq(now.micros())),
    );
    diesel::insert_into(product::table).values(row).execute(db)?;
    let created_skus = skus::put(db, id, &draft.skus, now)?;
    link(db, id, draft, now)?;
    let categories = categories_now(db, id)?;
    terms.add(id, terms::of(draft, &categories));
    tell(db, "product.created", id, &slug, draft.status, 1, now)?;
    Ok(Saved { slug, created_skus })
}

/// Makes `current`, read in this transaction, what is `wanted`; `None` when it is that already.
pub(crate) fn replace(db: &mut Db, current: &Product, wanted: &ProductDraft, now: Timestamp) -> Done<Option<Saved>> {
    let before = normal(ProductDraft::from(current));
    let wanted = normal(wanted.clone());
    if before == wanted {
        return Ok(None);
    }
    let slug = wanted.slug.clone().unwrap_or_else(|| current.slug.clone());
    if slug != current.slug && is_taken(db, &slug)? {
        return refuse(slug::slug_taken(&slug));
    }
    update(db, current, &wanted, &slug, now)?;
    let mut created_skus = Vec::new();
    if before.skus != wanted.skus {
        created_skus = skus::put(db, &current.id, &wanted.skus, now)?;
        skus::archive_others(db, &current.id, &wanted.skus)?;
    }
    if before.categories != wanted.categories {
        unlink(db, &current.id)?;
        link(db, &current.id, &wanted, current.created_at)?;
    } else {
        // Whatever they held: a process of an older version writes them without.
        let members = product_category::table.filter(product_category::product.eq(current.id.as_str()));
        diesel::update(members).set(Listed::of(&wanted, current.created_at)).execute(db)?;
    }
    if is_registered_otherwise(&before, &wanted) {
        diesel::update(product::table.filter(product::id.eq(current.id.as_str())))
            .set(product::registered.eq(0))
            .execute(db)?;
    }
    let categories = categories_now(db, &current.id)?;
    terms::replace(db, &current.id, &terms::of(&wanted, &categories))?;
    let archived = wanted.status == Status::Archived && before.status != Status::Archived;
    let topic = if archived { "product.archived" } else { "product.updated" };
    tell(db, topic, &current.id, &slug, wanted.status, current.version + 1, now)?;
    Ok(Some(Saved { slug, created_skus }))
}

/// Categories are a set.
fn normal(mut draft: ProductDraft) -> ProductDraft {
    draft.categories.sort();
    draft.categories.dedup();
    draft
}

fn update(db: &mut Db, current: &Product, wanted: &ProductDraft, slug: &Slug, now: Timestamp) -> Done<()> {
    let same = product::id.eq(current.id.as_str()).and(product::version.eq(current.version));
    let row = (
        (product::slug.eq(slug.as_str()), product::title.eq(&wanted.title)),
        (product::description.eq(&wanted.description), product::vendor.eq(&wanted.vendor)),
        (product::kind.eq(&wanted.kind), product::tags.eq(column(&wanted.tags)?)),
        (product::options.eq(column(&wanted.options)?), product::images.eq(column(&wanted.images)?)),
        (product::extra.eq(column(&wanted.extra)?), product::status.eq(wanted.status.name())),
        (product::supplier.eq(wanted.supplier.as_deref()), product::price_from.eq(skus::price_from(&wanted.skus))),
        (product::version.eq(product::version + 1), product::updated_at.eq(now.micros())),
    );
    let changed = diesel::update(product::table.filter(same)).set(row).execute(db)?;
    // It was read in this transaction.
    if changed == 0 { overtaken() } else { Ok(()) }
}

/// Whether inventory has to be told: it knows titles, suppliers and which SKUs there are.
fn is_registered_otherwise(before: &ProductDraft, wanted: &ProductDraft) -> bool {
    let known: BTreeSet<(&str, &str)> = before.skus.iter().map(|sku| (sku.sku.as_str(), sku.title.as_str())).collect();
    before.title != wanted.title
        || before.supplier != wanted.supplier
        || wanted.skus.iter().any(|sku| !known.contains(&(sku.sku.as_str(), sku.title.as_str())))
}

/// What the lists of a category are filtered and sorted by, as its members hold it.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = product_category)]
struct Listed<'a> {
    status: &'static str,
    title: &'a str,
    price_from: i64,
    created_at: i64,
}

impl<'a> Listed<'a> {
    fn of(draft: &'a ProductDraft, created_at: Timestamp) -> Self {
        let (status, price_from) = (draft.status.name(), skus::price_from(&draft.skus));
        Self { status, title: &draft.title, price_from, created_at: created_at.micros() }
    }
}

/// Lets nobody else change these products before this transaction has ended.
pub(crate) fn lock(db: &mut Db, ids: &[ProductId]) -> Done<()> {
    diesel::update(product::table.filter(product::id.eq_any(ids.iter().map(ProductId::as_str))))
        .set(product::version.eq(product::version))
        .execute(db)?;
    Ok(())
}

fn is_taken(db: &mut Db, slug: &Slug) -> Done<bool> {
    let found: Option<String> =
        product::table.filter(product::slug.eq(slug.as_str())).select(product::id).first(db).optional()?;
    Ok(found.is_some())
}

fn unlink(db: &mut Db, id: &ProductId) -> Done<()> {
    diesel::delete(product_category::table.filter(product_category::product.eq(id.as_str()))).execute(db)?;
    Ok(())
}

/// Puts a product into its categories, with what their lists are filtered and sorted by.
fn link(db: &mut Db, id: &ProductId, draft: &ProductDraft, created_at: Timestamp) -> Done<()> {
    for category in category::by_slugs(db, &draft.categories)? {
        let its = (product_category::product.eq(id.as_str()), product_category::category.eq(category.id.as_str()));
        let row = (its, Listed::of(draft, created_at));
        diesel::insert_into(product_category::table).values(row).execute(db)?;
    }
    Ok(())
}

/// The categories of a product as they are named now that it belongs to them: from here on a new name reaches its terms.
fn categories_now(db: &mut Db, id: &ProductId) -> Done<Vec<CategoryRef>> {
    Ok(load::categories_of(db, &[id.as_str()])?.remove(id.as_str()).unwrap_or_default())
}

fn tell(
    db: &mut Db,
    topic: &str,
    id: &ProductId,
    slug: &Slug,
    status: Status,
    version: i64,
    now: Timestamp,
) -> Done<()> {
    let body = json!({"id": id, "slug": slug, "status": status, "version": version});
    outbox::put(db, topic, id.as_str(), &body, now)
}
