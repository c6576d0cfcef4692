//! Routes of categories: the tree for everybody, and its changes for staff.

use actix_web::web;
use emporium_kernel::{Answer, Anyone, IfMatch, Json, Line, Page, Path, Problem, Routes, ServedPage, Staff};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::Shop;
use crate::catalogue::category::{CategoryDraft, CategoryPatch};
use crate::catalogue::product::CategoryId;
use crate::catalogue::{Category, CategoryKey, Slug};

pub(crate) fn routes() -> Routes {
    Routes::new("catalogue")
        .get("/v1/categories", tree, "Lists the category tree, parents before their children.")
        .get("/v1/admin/categories", list, "Lists the category tree with positions and versions.")
        .post("/v1/admin/categories", create, "Makes a category.")
        .refuses(&[409])
        .get("/v1/admin/categories/{key}", show, "Reads a category by id or slug.")
        .patch("/v1/admin/categories/{key}", change, "Renames or moves a category. Of its products two hundred are found by a new name at once, the others by and by.")
        .refuses(&[409])
        .delete("/v1/admin/categories/{key}", remove, "Removes an empty category.")
        .refuses(&[409])
}

/// A category in the tree as buyers see it.
#[derive(Debug, Serialize, JsonSchema)]
struct Branch {
    /// Names it.
    id: CategoryId,
    /// Names it in addresses.
    slug: Slug,
    /// What it is called.
    name: String,
    /// The category it stands below.
    parent: Option<CategoryId>,
    /// How far below a root; 0 for a root.
    depth: usize,
}

/// A category in the tree as staff see it.
#[derive(Debug, Serialize, JsonSchema)]
struct StaffBranch {
    #[serde(flatten)]
    category: Category,
    /// How far below a root; 0 for a root.
    depth: usize,
}

/// A category to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewCategory {
    /// What it is called.
    name: Line<255>,
    /// Names it in addresses; made from the name when absent.
    slug: Option<Slug>,
    /// Id or slug of the category it stands below; a root when absent.
    parent: Option<CategoryKey>,
    /// Its place among its siblings; the last when absent.
    position: Option<u32>,
}

/// A change of a category: absent members stay.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    /// What it is called.
    name: Option<Line<255>>,
    /// Names it in addresses.
    slug: Option<Slug>,
    /// Id or slug of the category it is to stand below; `null` makes it a root.
    #[serde(default, deserialize_with = "nullable")]
    parent: Option<Option<CategoryKey>>,
    /// Its place among its siblings.
    position: Option<u32>,
}

/// Tells `null` from a member that is absent.
fn nullable<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<CategoryKey>>, D::Error> {
    Option::deserialize(from).map(Some)
}

fn whole<T>(data: Vec<T>) -> ServedPage<T> {
    ServedPage::new(Page { data, next_cursor: None, total: None })
}

async fn tree(_: Anyone, shop: web::Data<Shop>) -> Result<ServedPage<Branch>, Problem> {
    let branch = |(category, depth): (Category, usize)| {
        let Category { id, slug, name, parent, .. } = category;
        Branch { id, slug, name, parent, depth }
    };
    Ok(whole(shop.categories().await?.into_iter().map(branch).collect()))
}

async fn list(_: Staff, shop: web::Data<Shop>) -> Result<ServedPage<StaffBranch>, Problem> {
    let branch = |(category, depth)| StaffBranch { category, depth };
    Ok(whole(shop.categories().await?.into_iter().map(branch).collect()))
}

async fn show(_: Staff, shop: web::Data<Shop>, Path(key): Path<CategoryKey>) -> Result<Answer<Category>, Problem> {
    let category = shop.category(key).await?;
    let version = category.version;
    Ok(Answer::new(category).version(version))
}

async fn create(
    _: Staff,
    shop: web::Data<Shop>,
    Json(new): Json<NewCategory>,
) -> Result<Answer<Category, 201>, Problem> {
    let NewCategory { name, slug, parent, position } = new;
    let draft = CategoryDraft { name: name.into_string(), slug, parent, position: position.map(i64::from) };
    let category = shop.create_category(draft).await?;
    let (place, version) = (format!("/v1/admin/categories/{}", category.id), category.version);
    Ok(Answer::new(category).at(place).version(version))
}

async fn change(
    _: Staff,
    shop: web::Data<Shop>,
    Path(key): Path<CategoryKey>,
    IfMatch(seen): IfMatch,
    Json(change): Json<Change>,
) -> Result<Answer<Category>, Problem> {
    let Change { name, slug, parent, position } = change;
    let patch = CategoryPatch { name: name.map(Line::into_string), slug, parent, position: position.map(i64::from) };
    let category = shop.change_category(key, seen, patch).await?;
    let version = category.version;
    Ok(Answer::new(category).version(version))
}

async fn remove(
    _: Staff,
    shop: web::Data<Shop>,
    Path(key): Path<CategoryKey>,
    IfMatch(seen): IfMatch,
) -> Result<Answer<(), 204>, Problem> {
    shop.remove_category(key, seen).await?;
    Ok(Answer::new(()))
}
