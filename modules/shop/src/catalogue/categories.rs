//! Making, changing and reading categories.

use std::collections::VecDeque;

use emporium_database::{Db, Lane, Stale, idempotency, refuse};
use emporium_shop_api::ProductId;

use super::category::{self, Category, CategoryDraft, CategoryKey, CategoryPatch};
use super::product::CategoryId;
use super::{load, save, terms, tree};
use crate::{Shop, ShopError};

/// In one sweep, so many times.
const MOST_ROUNDS: usize = 50;
/// In the request that renames a category, so many times: two hundred products. The sweep does the rest.
const ROUNDS_AT_ONCE: usize = 2;
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

    /// Renames or moves a category whose version is `seen`, or whichever it has when that is `None`. Two hundred of its
    /// products are found by a new name at once, the others by and by.
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
            for _ in 0..ROUNDS_AT_ONCE {
                if self.index_some(category.id.clone(), Lane::New).await? {
                    break;
                }
            }
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

    /// Goes on, so far and in turn, where a category was renamed and not all of its products are found by its name. One that fails does not keep the others from being done.
    pub(crate) async fn index_renamed(&self) -> Result<(), ShopError> {
        let (mut waiting, mut done) = (VecDeque::from(self.database.read(category::unindexed).await?), Ok(()));
        for _ in 0..MOST_ROUNDS {
            let Some(category) = waiting.pop_front() else { break };
            match self.index_some(category.clone(), Lane::Continuation).await {
                Ok(true) => {}
                Ok(false) => waiting.push_back(category),
                Err(error) => done = Err(error),
            }
        }
        done
    }

    /// Makes some products of a category be found by its present name; whether they are the last.
    async fn index_some(&self, category: CategoryId, lane: Lane) -> Result<bool, ShopError> {
        let index = move |db: &mut Db| {
            let Some(after) = category::unindexed_after(db, &category)? else { return Ok(true) };
            let ids = category::members(db, &category, &after, AT_ONCE)?;
            let is_end = i64::try_from(ids.len()).is_ok_and(|found| found < AT_ONCE);
            // Products before their category, in the order in which who writes a product takes them.
            save::lock(db, &ids)?;
            category::indexed(db, &category, &after, ids.last().filter(|_| !is_end).map(ProductId::as_str))?;
            for product in load::by_ids(db, &ids)? {
                terms::replace(db, &product.id, &terms::of(&(&product).into(), &product.categories))?;
            }
            Ok(is_end)
        };
        self.database.write_in(lane, index).await
    }
}
