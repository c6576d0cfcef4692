//! Many products at once, as they come from a file: made, changed, or left alone when nothing differs.

use std::collections::{BTreeMap, HashMap};

use emporium_database::{Db, Failure, Stale, overtaken, savepoint};
use emporium_inventory_api::Sku;
use emporium_kernel::{Call, Timestamp};
use emporium_shop_api::ProductId;

use super::category::{self, CategoryDraft, CategoryKey};
use super::product::CategoryId;
use super::terms::NewTerms;
use super::{Product, ProductDraft, Slug, load, save};
use crate::error::Done;
use crate::patience::patiently;
use crate::{Shop, ShopError};

/// What became of a product that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is new.
    Created,
    /// Something differed.
    Changed,
    /// Nothing differed, and nothing was written.
    Unchanged,
}

/// What became of one draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upserted {
    /// The product; absent when it was refused.
    pub id: Option<ProductId>,
    /// Its slug, or the one that was asked for.
    pub slug: Option<Slug>,
    /// What was done, or why nothing was.
    pub outcome: Result<Outcome, ShopError>,
    /// The SKUs that are new.
    pub created_skus: Vec<Sku>,
}

impl Shop {
    /// Makes each draft the product of its slug, in one transaction, and registers SKUs with inventory. A draft that
    /// is refused changes nothing and does not keep the others from being written. Running it again changes nothing.
    /// A draft without supplier leaves the supplier as it is. At most some hundred drafts.
    pub async fn upsert_products(&self, call: &Call, drafts: Vec<ProductDraft>) -> Result<Vec<Upserted>, ShopError> {
        let now = self.clock.now();
        let ids: Vec<ProductId> = drafts.iter().map(|_| ProductId::new(now, &self.random)).collect();
        let written = self.change_catalogue(move |db| upsert_all(db, &ids, &drafts, now)).await?;
        let ids: Vec<ProductId> = written.iter().filter_map(|one| one.id.clone()).collect();
        patiently(call, async |call: Call| self.register(&call, ids.clone()).await).await?;
        Ok(written)
    }

    /// The slugs of the categories with these names, which are made at the root of the tree when they are missing. Names
    /// without letter or digit have none.
    pub async fn ensure_categories(&self, names: &[String]) -> Result<BTreeMap<String, Slug>, ShopError> {
        let now = self.clock.now();
        let wanted: Vec<(CategoryId, Slug, String)> = names
            .iter()
            .filter_map(|name| Some((CategoryId::new(now, &self.random), Slug::from_words(name)?, name.clone())))
            .collect();
        let ensure = move |db: &mut Db| {
            for (id, slug, name) in &wanted {
                ensure_category(db, id, slug, name, now)?;
            }
            let slugs = wanted.iter().map(|(_, slug, name)| (name.clone(), slug.clone())).collect();
            Ok((slugs, Stale::Nothing))
        };
        self.change_catalogue(ensure).await
    }
}

fn ensure_category(db: &mut Db, id: &CategoryId, slug: &Slug, name: &str, now: Timestamp) -> Done<()> {
    if category::by_key(db, &CategoryKey::Slug(slug.clone()))?.is_none() {
        // A name is one line, whatever the type of a product is that it comes from.
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let slug = Some(slug.clone());
        let draft = CategoryDraft { name, slug, parent: None, position: None };
        return match category::insert(db, id, &draft, now).map(drop) {
            // Somebody else made it between the two looks.
            Err(Failure::Refused(ShopError::SlugTaken { .. })) => Ok(()),
            done => done,
        };
    }
    Ok(())
}

fn upsert_all(db: &mut Db, ids: &[ProductId], drafts: &[ProductDraft], now: Timestamp) -> Done<(Vec<Upserted>, Stale)> {
    let slugs: Vec<Option<Slug>> = drafts.iter().map(slug_of).collect();
    let names: Vec<&str> = slugs.iter().flatten().map(Slug::as_str).collect();
    let known = load::by_slugs(db, &names)?.into_iter().map(|product| (product.slug.clone(), product)).collect();
    let mut batch = Batch { now, known, terms: NewTerms::default() };
    let mut written = Vec::with_capacity(drafts.len());
    let mut stale = Vec::new();
    for ((id, draft), slug) in ids.iter().zip(drafts).zip(&slugs) {
        let one = batch.upsert(db, id, draft, slug.as_ref())?;
        if let (Ok(Outcome::Created | Outcome::Changed), Some(id), Some(slug)) = (&one.outcome, &one.id, slug) {
            stale.extend([id.to_string(), slug.to_string()]);
            if names.iter().filter(|name| **name == slug.as_str()).count() > 1 {
                batch.look_again(db, id, slug)?;
            }
        }
        written.push(one);
    }
    batch.terms.write(db)?;
    Ok((written, Stale::Keys(stale)))
}

fn slug_of(draft: &ProductDraft) -> Option<Slug> {
    draft.slug.clone().or_else(|| Slug::from_words(&draft.title))
}

/// Drafts that are written together.
struct Batch {
    now: Timestamp,
    /// The products that have the slugs of the drafts.
    known: HashMap<Slug, Product>,
    terms: NewTerms,
}

impl Batch {
    /// Makes a draft the product of its slug; when it is refused, all that it changed is undone.
    fn upsert(&mut self, db: &mut Db, id: &ProductId, draft: &ProductDraft, slug: Option<&Slug>) -> Done<Upserted> {
        let current = slug.and_then(|slug| self.known.get(slug));
        let id = current.map_or(id, |product| &product.id);
        let mut terms = NewTerms::default();
        let work = |db: &mut Db| match current {
            None => {
                let draft = ProductDraft { slug: slug.cloned(), ..draft.clone() };
                let saved = save::insert(db, id, &draft, self.now, &mut terms)?;
                Ok((Outcome::Created, Some(saved)))
            }
            Some(current) => {
                let supplier = draft.supplier.clone().or_else(|| current.supplier.clone());
                let wanted = ProductDraft { slug: slug.cloned(), supplier, ..draft.clone() };
                let saved = save::replace(db, current, &wanted, self.now)?;
                Ok((if saved.is_some() { Outcome::Changed } else { Outcome::Unchanged }, saved))
            }
        };
        let (id, slug) = (id.clone(), slug.cloned());
        match savepoint(db, work) {
            Ok((outcome, saved)) => {
                self.terms.append(terms);
                let (slug, created_skus) = saved.map_or((slug, Vec::new()), |s| (Some(s.slug), s.created_skus));
                Ok(Upserted { id: Some(id), slug, outcome: Ok(outcome), created_skus })
            }
            // It was free when the batch began.
            Err(Failure::Refused(ShopError::SlugTaken { .. })) if current.is_none() && slug.is_some() => overtaken(),
            Err(Failure::Refused(refusal)) => {
                Ok(Upserted { id: None, slug, outcome: Err(refusal), created_skus: Vec::new() })
            }
            Err(failure) => Err(failure),
        }
    }

    /// Lets a later draft of the same slug meet what this one wrote.
    fn look_again(&mut self, db: &mut Db, id: &ProductId, slug: &Slug) -> Done<()> {
        self.terms.write(db)?;
        self.known.insert(slug.clone(), load::written(db, id)?);
        Ok(())
    }
}
