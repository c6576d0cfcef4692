//! A dry run's view of the catalogue: a hash of each product, by which it is known whether a draft would change it.

use std::collections::HashMap;

use crate::catalogue::{Outcome, ProductDraft, SkuDraft, Upserted};
use crate::csv::import::new_skus;
use crate::csv::known::Known;
use crate::csv::naming::fingerprint;
use crate::{Shop, ShopError};

/// Products that are read at once.
const PAGE: u16 = 200;

/// What the catalogue holds, as hashes.
#[derive(Debug)]
pub(super) struct Preview {
    /// By the hash of the slug.
    products: HashMap<u128, Held>,
}

#[derive(Debug)]
struct Held {
    /// Of everything but the supplier.
    content: u128,
    supplier: Option<u128>,
}

impl Held {
    fn of(mut draft: ProductDraft) -> Self {
        draft.categories.sort();
        draft.categories.dedup();
        let supplier = draft.supplier.take().map(|supplier| fingerprint(&supplier));
        Self { content: fingerprint(&format!("{draft:?}")), supplier }
    }
}

impl Preview {
    /// Reads the whole catalogue once.
    pub(super) async fn of(shop: &Shop) -> Result<Self, ShopError> {
        let (mut products, mut after) = (HashMap::new(), None);
        loop {
            let page = shop.all_products(after.take(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(Self { products }) };
            after = Some(last.id.clone());
            products.extend(page.iter().map(|one| (fingerprint(one.slug.as_str()), Held::of(ProductDraft::from(one)))));
        }
    }

    /// What writing the drafts would do.
    pub(super) fn upserted(&self, drafts: &[ProductDraft], known: &Known) -> Vec<Upserted> {
        drafts.iter().map(|draft| self.one(draft, known)).collect()
    }

    fn one(&self, draft: &ProductDraft, known: &Known) -> Upserted {
        let slug = draft.slug.clone();
        let owner = |sku: &SkuDraft| known.get(&sku.sku).filter(|owner| Some(*owner) != slug.as_ref());
        if let Some(taken) = draft.skus.iter().find(|sku| owner(sku).is_some()) {
            let outcome = Err(ShopError::SkuTaken { sku: taken.sku.to_string() });
            return Upserted { id: None, slug, outcome, created_skus: Vec::new() };
        }
        let held = slug.as_ref().and_then(|slug| self.products.get(&fingerprint(slug.as_str())));
        let wanted = Held::of(draft.clone());
        let outcome = match held {
            None => Outcome::Created,
            // A draft without supplier leaves the supplier as it is.
            Some(held)
                if held.content == wanted.content && wanted.supplier.is_none_or(|s| held.supplier == Some(s)) =>
            {
                Outcome::Unchanged
            }
            Some(_) => Outcome::Changed,
        };
        let created_skus = new_skus(draft, known).map(|sku| sku.sku.clone()).collect();
        Upserted { id: None, slug, outcome: Ok(outcome), created_skus }
    }
}
