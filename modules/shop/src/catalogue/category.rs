//! Categories: a tree that products stand in.

use std::collections::{BTreeMap, HashSet};
use std::str::FromStr;

use emporium_database::prelude::*;
use emporium_database::{Db, overtaken, refuse};
use emporium_kernel::{ETag, Timestamp, invalid};
use emporium_shop_api::ProductId;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::product::{CategoryId, CategoryRef};
use super::{Slug, slug};
use crate::ShopError;
use crate::error::Done;
use crate::schema::{category, product_category};

/// Categories whose children are read with one statement.
const READ_AT_ONCE: usize = 500;

/// A category.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Category {
    /// Names it.
    pub id: CategoryId,
    /// Names it in addresses.
    pub slug: Slug,
    /// What it is called.
    pub name: String,
    /// The category it stands below; a root when absent.
    pub parent: Option<CategoryId>,
    /// Its place among its siblings, smallest first.
    pub position: i64,
    /// Rises with every change; its ETag.
    pub version: i64,
    /// Since when.
    pub created_at: Timestamp,
}

/// A category by its id or by its slug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CategoryKey {
    /// By id.
    Id(CategoryId),
    /// By slug.
    Slug(Slug),
}

/// A category to be made.
#[derive(Clone, Debug)]
pub(crate) struct CategoryDraft {
    pub name: String,
    pub slug: Option<Slug>,
    pub parent: Option<CategoryKey>,
    pub position: Option<i64>,
}

/// What is to be different about a category; `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct CategoryPatch {
    pub name: Option<String>,
    pub slug: Option<Slug>,
    /// `Some(None)` makes it a root.
    pub parent: Option<Option<CategoryKey>>,
    pub position: Option<i64>,
}

impl FromStr for CategoryKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = CategoryId::parse(text).map(Self::Id);
        id.or_else(|| Slug::parse(text).map(Self::Slug))
            .ok_or("invalid_category: send the id or the slug of a category")
    }
}

impl std::fmt::Display for CategoryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CategoryKey::Id(id) => id.fmt(f),
            CategoryKey::Slug(slug) => slug.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for CategoryKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|_| invalid("invalid_category", "send the id or the slug of a category"))
    }
}

impl JsonSchema for CategoryKey {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CategoryKey".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "description": "id or slug of a category"})
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = category)]
struct Row {
    id: String,
    slug: String,
    name: String,
    parent: Option<String>,
    position: i64,
    version: i64,
    created_at: i64,
}

impl From<Row> for Category {
    fn from(row: Row) -> Self {
        Self {
            id: CategoryId::stored(row.id),
            slug: Slug::stored(row.slug),
            name: row.name,
            parent: row.parent.map(CategoryId::stored),
            position: row.position,
            version: row.version,
            created_at: Timestamp::from_micros(row.created_at),
        }
    }
}

/// All of them, in no order.
pub(crate) fn all(db: &mut Db) -> Done<Vec<Category>> {
    let rows: Vec<Row> = category::table.select(Row::columns()).load(db)?;
    Ok(rows.into_iter().map(Category::from).collect())
}

/// The category with this id or slug.
pub(crate) fn by_key(db: &mut Db, key: &CategoryKey) -> Done<Option<Category>> {
    let named = category::table.select(Row::columns());
    let row: Option<Row> = match key {
        CategoryKey::Id(id) => named.filter(category::id.eq(id.as_str())).first(db).optional()?,
        CategoryKey::Slug(slug) => named.filter(category::slug.eq(slug.as_str())).first(db).optional()?,
    };
    Ok(row.map(Category::from))
}

/// The category with this id or slug, which somebody wants to use.
pub(crate) fn known(db: &mut Db, key: &CategoryKey) -> Done<Category> {
    match by_key(db, key)? {
        Some(found) => Ok(found),
        None => refuse(ShopError::UnknownCategory { category: key.to_string() }),
    }
}

/// The categories with these slugs, by slug and each once; an unknown one is refused.
pub(crate) fn by_slugs(db: &mut Db, slugs: &[Slug]) -> Done<Vec<CategoryRef>> {
    if slugs.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(String, String, String)> = category::table
        .filter(category::slug.eq_any(slugs.iter().map(Slug::as_str)))
        .select((category::id, category::slug, category::name))
        .load(db)?;
    let found: BTreeMap<Slug, CategoryRef> = rows
        .into_iter()
        .map(|(id, slug, name)| CategoryRef { id: CategoryId::stored(id), slug: Slug::stored(slug), name })
        .map(|one| (one.slug.clone(), one))
        .collect();
    match slugs.iter().find(|slug| !found.contains_key(slug)) {
        Some(unknown) => refuse(ShopError::UnknownCategory { category: unknown.to_string() }),
        None => Ok(found.into_values().collect()),
    }
}

/// Ids of a category and everything below it; empty when there is none of that id or slug.
pub(crate) fn with_descendants(db: &mut Db, key: &str) -> Done<Vec<String>> {
    let Some(root) = key.parse().ok().map(|key| by_key(db, &key)).transpose()?.flatten() else {
        return Ok(Vec::new());
    };
    let (mut found, mut level) = (HashSet::from([root.id.to_string()]), vec![root.id.to_string()]);
    while !level.is_empty() {
        let mut below: Vec<String> = Vec::new();
        for some in level.chunks(READ_AT_ONCE) {
            below
                .extend(category::table.filter(category::parent.eq_any(some)).select(category::id).load::<String>(db)?);
        }
        level = below.into_iter().filter(|id| found.insert(id.clone())).collect();
    }
    Ok(found.into_iter().collect())
}

/// Products that stand in a category itself, up to `limit` of those whose ids follow `after`.
pub(crate) fn members(db: &mut Db, id: &CategoryId, after: &str, limit: i64) -> Done<Vec<ProductId>> {
    let ids: Vec<String> = product_category::table
        .filter(product_category::category.eq(id.as_str()).and(product_category::product.gt(after)))
        .select(product_category::product)
        .order(product_category::product)
        .limit(limit)
        .load(db)?;
    Ok(ids.into_iter().map(ProductId::stored).collect())
}

/// Behind which of its products those of a category are that are not found by its present name, if there are any.
pub(crate) fn unindexed_after(db: &mut Db, id: &CategoryId) -> Done<Option<String>> {
    let after = category::table.find(id.as_str()).select(category::unindexed_after);
    Ok(after.first::<Option<String>>(db).optional()?.flatten())
}

/// Notes that those up to `last`, or all for `None`, are found by its present name from now on, if they were not already
/// up to `after`.
pub(crate) fn indexed(db: &mut Db, id: &CategoryId, after: &str, last: Option<&str>) -> Done<()> {
    let same = category::id.eq(id.as_str()).and(category::unindexed_after.eq(after));
    let noted = diesel::update(category::table.filter(same)).set(category::unindexed_after.eq(last)).execute(db)?;
    if noted == 0 { overtaken() } else { Ok(()) }
}

/// The categories with products that are not found by their present name.
pub(crate) fn unindexed(db: &mut Db) -> Done<Vec<CategoryId>> {
    let found = category::table.filter(category::unindexed_after.is_not_null()).select(category::id);
    let ids: Vec<String> = found.load(db)?;
    Ok(ids.into_iter().map(CategoryId::stored).collect())
}

/// Makes a category, last among its siblings unless it says otherwise.
pub(crate) fn insert(db: &mut Db, id: &CategoryId, draft: &CategoryDraft, now: Timestamp) -> Done<Category> {
    let parent = draft.parent.as_ref().map(|key| known(db, key)).transpose()?.map(|parent| parent.id);
    let slug = slug::free(db, draft.slug.as_ref(), &draft.name, is_taken)?;
    let position = draft.position.map_or_else(|| next_position(db, parent.as_ref()), Ok)?;
    let row = (
        category::id.eq(id.as_str()),
        category::slug.eq(slug.as_str()),
        category::name.eq(&draft.name),
        category::parent.eq(parent.as_ref().map(CategoryId::as_str)),
        category::position.eq(position),
        category::version.eq(1),
        category::created_at.eq(now.micros()),
    );
    diesel::insert_into(category::table).values(row).execute(db)?;
    let (id, name) = (id.clone(), draft.name.clone());
    Ok(Category { id, slug, name, parent, position, version: 1, created_at: now })
}

/// Renames or moves a category, if its version is still the one that was `seen`.
pub(crate) fn change(db: &mut Db, key: &CategoryKey, seen: Option<i64>, patch: &CategoryPatch) -> Done<Category> {
    let before = current(db, key, seen)?;
    let mut after = before.clone();
    if let Some(parent) = &patch.parent {
        after.parent = parent.as_ref().map(|key| known(db, key)).transpose()?.map(|parent| parent.id);
    }
    if after.parent != before.parent {
        refuse_cycle(db, &before.id, after.parent.as_ref())?;
        after.position = next_position(db, after.parent.as_ref())?;
    }
    if let Some(slug) = patch.slug.as_ref().filter(|slug| **slug != before.slug) {
        after.slug = slug::free(db, Some(slug), "", is_taken)?;
    }
    after.name = patch.name.clone().unwrap_or(after.name);
    after.position = patch.position.unwrap_or(after.position);
    if after == before {
        return Ok(before);
    }
    after.version += 1;
    let row = (
        category::slug.eq(after.slug.as_str()),
        category::name.eq(&after.name),
        category::parent.eq(after.parent.as_ref().map(CategoryId::as_str)),
        category::position.eq(after.position),
        category::version.eq(after.version),
    );
    let same = category::id.eq(before.id.as_str()).and(category::version.eq(before.version));
    let changed = diesel::update(category::table.filter(same)).set(row).execute(db)?;
    if changed == 0 {
        return overtaken();
    }
    if after.name != before.name {
        let row = category::table.find(after.id.as_str());
        diesel::update(row).set(category::unindexed_after.eq("")).execute(db)?;
    }
    Ok(after)
}

/// Removes a category that holds neither products nor categories.
pub(crate) fn remove(db: &mut Db, key: &CategoryKey, seen: Option<i64>) -> Done<()> {
    let before = current(db, key, seen)?;
    let id = before.id.as_str();
    let child: Option<String> =
        category::table.filter(category::parent.eq(id)).select(category::id).first(db).optional()?;
    let member: Option<String> = product_category::table
        .filter(product_category::category.eq(id))
        .select(product_category::product)
        .first(db)
        .optional()?;
    if child.is_some() || member.is_some() {
        return refuse(ShopError::CategoryInUse);
    }
    let same = category::id.eq(id).and(category::version.eq(before.version));
    let removed = diesel::delete(category::table.filter(same)).execute(db)?;
    if removed == 0 { overtaken() } else { Ok(()) }
}

fn current(db: &mut Db, key: &CategoryKey, seen: Option<i64>) -> Done<Category> {
    match by_key(db, key)? {
        None => refuse(ShopError::NotFound),
        Some(found) if seen.is_some_and(|seen| seen != found.version) => refuse(stale(found.version)),
        Some(found) => Ok(found),
    }
}

fn stale(version: i64) -> ShopError {
    ShopError::StaleVersion { current_version: ETag(version).to_string() }
}

/// Refuses to move a category below itself.
fn refuse_cycle(db: &mut Db, id: &CategoryId, parent: Option<&CategoryId>) -> Done<()> {
    let (mut above, mut seen) = (parent.map(ToString::to_string), HashSet::new());
    while let Some(one) = above.take_if(|one| seen.insert(one.clone())) {
        if one == id.as_str() {
            return refuse(ShopError::CategoryCycle);
        }
        // Held where writers run side by side: of two moves that are each fine and together make a cycle, each holds what the
        // other moves.
        let row = category::table.find(&one);
        diesel::update(row).set(category::position.eq(category::position)).execute(db)?;
        let found: Option<Option<String>> = row.select(category::parent).first(db).optional()?;
        let Some(parent) = found else { return overtaken() };
        above = parent;
    }
    Ok(())
}

fn next_position(db: &mut Db, parent: Option<&CategoryId>) -> Done<i64> {
    let query = category::table.select(category::position).order(category::position.desc());
    let last: Option<i64> = match parent {
        Some(parent) => query.filter(category::parent.eq(parent.as_str())).first(db).optional()?,
        None => query.filter(category::parent.is_null()).first(db).optional()?,
    };
    Ok(last.map_or(0, |last| last.saturating_add(1)))
}

fn is_taken(db: &mut Db, slug: &Slug) -> Done<bool> {
    Ok(by_key(db, &CategoryKey::Slug(slug.clone()))?.is_some())
}
