//! Making, changing and reading categories.

use emporium_database::{Db, Lane, Stale, idempotency, refuse};
use emporium_shop_api::ProductId;

use super::category::{self, Category, CategoryDraft, CategoryKey, CategoryPatch};
use super::product::CategoryId;
use super::{load, save, terms, tree};
use crate::error::Done;
use crate::{Shop, ShopError};

/// Products that get new terms in one transaction.
const AT_ONCE: i64 = 100;

impl Shop {
    /// The tree as a list, parents before their children, each with its depth.
    pub(crate) async fn categories(&self) -> Result<Vec<(Category, usize)>, ShopError> {
        Ok(tree::in_order(self.database.read(category::all).await?))
    }

    /// One category.
    pub(crate) async fn category(&self, key: CategoryKey) -> Result<Category, ShopError> {
        let find = move |db: &mut Db| match category::by_key(db, &key)? {
            Some(found) => Ok(found),
            None => refuse(ShopError::NotFound),
        };
        self.database.read(find).await
    }

    /// Makes a category.
    pub(crate) async fn create_category(&self, draft: CategoryDraft) -> Result<Category, ShopError> {
        let now = self.clock.now();
        let id = CategoryId::new(now, &self.random);
        let make = move |db: &mut Db| match category::by_key(db, &CategoryKey::Id(id.clone()))? {
            // Run again after an unknown commit, this finds what it made.
            Some(made) => Ok((made, Stale::Nothing)),
            None => Ok((category::insert(db, &id, &draft, now)?, Stale::Nothing)),
        };
        self.change_catalogue(make).await
    }

    /// Renames or moves a category whose version is `seen`, or whichever it has when that is `None`.
    pub(crate) async fn change_category(
        &self,
        key: CategoryKey,
        seen: Option<i64>,
        patch: CategoryPatch,
    ) -> Result<Category, ShopError> {
        let is_renamed = patch.name.is_some();
        let (now, command) = (self.clock.now(), self.random.token::<16>());
        let change = move |db: &mut Db| {
            if !idempotency::already_applied(db, &command, now)? {
                return Ok((category::change(db, &key, seen, &patch)?, Stale::Everything));
            }
            // By the slug that it has since then.
            let key = patch.slug.clone().map_or_else(|| key.clone(), CategoryKey::Slug);
            let changed = category::by_key(db, &key)?;
            changed.map_or_else(|| refuse(ShopError::NotFound), |changed| Ok((changed, Stale::Everything)))
        };
        let category = self.change_catalogue(change).await?;
        if is_renamed {
            self.rewrite_terms(category.id.clone()).await?;
        }
        Ok(category)
    }

    /// Removes an empty category.
    pub(crate) async fn remove_category(&self, key: CategoryKey, seen: Option<i64>) -> Result<(), ShopError> {
        let (now, command) = (self.clock.now(), self.random.token::<16>());
        let remove = move |db: &mut Db| {
            if !idempotency::already_applied(db, &command, now)? {
                category::remove(db, &key, seen)?;
            }
            Ok(((), Stale::Nothing))
        };
        self.change_catalogue(remove).await
    }

    /// Makes the products of a category be found by its present name, in small transactions.
    async fn rewrite_terms(&self, category: CategoryId) -> Result<(), ShopError> {
        let mut last = Some(String::new());
        while let Some(after) = last {
            let category = category.clone();
            let rewrite = move |db: &mut Db| rewrite_some(db, &category, &after);
            last = self.database.write_in(Lane::New, rewrite).await?;
        }
        Ok(())
    }
}

/// Rewrites the terms of the next products of a category and answers the last of them; `None` at the end.
fn rewrite_some(db: &mut Db, category: &CategoryId, after: &str) -> Done<Option<String>> {
    let ids: Vec<ProductId> = category::members(db, category, after, AT_ONCE)?;
    save::lock(db, &ids)?;
    for product in load::by_ids(db, &ids)? {
        terms::replace(db, &product.id, &terms::of(&(&product).into(), &product.categories))?;
    }
    Ok(ids.last().map(ToString::to_string))
}
