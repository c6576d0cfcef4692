//! Products for staff, and for suppliers their own.

use actix_web::web;
use emporium_kernel::{
    Answer, Cursor, IfMatch, Json, Keyed, Limit, Path, Problem, Prose, Query, Routes, Seller, ServedPage,
};
use emporium_shop_api::ProductId;
use schemars::JsonSchema;
use serde::Deserialize;

use super::fields::{Change, NewProduct};
use super::{Include, is_search};
use crate::catalogue::listing::{Filter, Part, Place, Sort};
use crate::catalogue::{Product, Status};
use crate::{Shop, ShopError};

pub(super) fn routes() -> Routes {
    Routes::new("catalogue")
        .post("/v1/admin/products", create, "Makes a product with its SKUs.")
        .refuses(&[409])
        .get("/v1/admin/products", list, "Lists products of any status; a supplier's are its own.")
        .get("/v1/admin/products/{id}", show, "Reads a product of any status.")
        .patch("/v1/admin/products/{id}", change, "Changes a product; `skus` replaces the list.")
        .refuses(&[409])
        .delete("/v1/admin/products/{id}", archive, "Takes a product out of the shop; its SKUs stay its own.")
}

async fn create(
    seller: Seller,
    shop: web::Data<Shop>,
    new: Keyed<NewProduct>,
) -> Result<Answer<Product, 201>, Problem> {
    let (key, new) = (new.key(Some(&seller.caller)), new.body);
    let supplier = own(&seller, new.supplier())?;
    let categories = shop.category_slugs(new.categories()).await?;
    let made = shop.create_product(&seller.call, key, new.into_draft(categories, supplier)?).await?;
    let (place, version) = (format!("/v1/admin/products/{}", made.value.id), made.value.version);
    let answer = Answer::new(made.value).at(place).version(version);
    Ok(if made.again { answer.replayed() } else { answer })
}

/// The supplier of a new product: staff say who, a supplier is it.
fn own(seller: &Seller, asked: Option<String>) -> Result<Option<String>, ShopError> {
    match seller.supplier() {
        None => Ok(asked),
        Some(me) if asked.as_deref().is_none_or(|other| other == me) => Ok(Some(me.to_owned())),
        Some(_) => Err(ShopError::StaffOnly),
    }
}

async fn show(seller: Seller, shop: web::Data<Shop>, Path(id): Path<ProductId>) -> Result<Answer<Product>, Problem> {
    let product = shop.product(id, scope(&seller)).await?;
    let version = product.version;
    Ok(Answer::new(product).version(version))
}

async fn change(
    seller: Seller,
    shop: web::Data<Shop>,
    Path(id): Path<ProductId>,
    IfMatch(seen): IfMatch,
    Json(change): Json<Change>,
) -> Result<Answer<Product>, Problem> {
    if let (Some(me), Some(asked)) = (seller.supplier(), change.supplier())
        && asked.as_deref() != Some(me)
    {
        return Err(ShopError::StaffOnly.into());
    }
    let categories = match change.categories() {
        Some(keys) => Some(shop.category_slugs(keys).await?),
        None => None,
    };
    let patch = change.into_patch(categories)?;
    let product = shop.change_product(&seller.call, id, seen, patch, scope(&seller)).await?;
    let version = product.version;
    Ok(Answer::new(product).version(version))
}

async fn archive(
    seller: Seller,
    shop: web::Data<Shop>,
    Path(id): Path<ProductId>,
    IfMatch(seen): IfMatch,
) -> Result<Answer<(), 204>, Problem> {
    shop.archive_product(&seller.call, id, seen, scope(&seller)).await?;
    Ok(Answer::new(()))
}

fn scope(seller: &Seller) -> Option<String> {
    seller.supplier().map(ToOwned::to_owned)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Search {
    /// Up to eight words to find in title, SKU, categories, tags and description (of each product, 200 words are known
    /// beside its SKUs); each may be the beginning of one. Where every word is in some 1,000 products or
    /// more and nothing else of the filter leaves few, some hundred products are ranked by relevance at a time, the newest
    /// first, and a page may be short, or empty, before the end.
    q: Option<Prose<200>>,
    status: Option<Status>,
    /// The user id of a supplier.
    supplier: Option<String>,
    /// Id or slug; products in its descendants count.
    category: Option<String>,
    /// The lowest price in minor units.
    min_price: Option<i64>,
    /// The highest price in minor units.
    max_price: Option<i64>,
    sort: Option<Sort>,
    #[serde(default)]
    limit: Limit,
    after: Option<Cursor<Place>>,
    include: Option<Include>,
}

async fn list(
    seller: Seller,
    shop: web::Data<Shop>,
    Query(ask): Query<Search>,
) -> Result<ServedPage<Product>, Problem> {
    let part = Part::new(ask.sort, is_search(ask.q.as_ref()), ask.limit, ask.after, ask.include.is_some())?;
    let filter = Filter {
        q: ask.q.map(Prose::into_string),
        status: ask.status,
        supplier: ask.supplier,
        own: scope(&seller),
        category: ask.category,
        min_price: ask.min_price,
        max_price: ask.max_price,
    };
    Ok(ServedPage::new(shop.products(filter, part).await?))
}
