//! Making SKUs known to inventory, after the product is durable and before it is answered; what could not be told is
//! told later.

use std::collections::HashMap;

use emporium_database::prelude::*;
use emporium_database::{Db, Lane};
use emporium_inventory_api::{Register, Registration, Sku};
use emporium_kernel::Call;
use emporium_shop_api::ProductId;

use super::sellable::full_title;
use crate::error::Done;
use crate::schema::{product, skus};
use crate::{Shop, ShopError};

/// SKUs that inventory takes in one call.
const AT_ONCE: usize = 1_000;
/// Products looked at in one round.
const ROUND: i64 = 200;

/// A product that inventory does not know in its present version.
#[derive(Clone, Debug)]
struct Pending {
    id: ProductId,
    version: i64,
    skus: Vec<Registration>,
}

impl Shop {
    /// Tells inventory of these products, as far as it does not know them.
    pub(crate) async fn register(&self, call: &Call, ids: Vec<ProductId>) -> Result<(), ShopError> {
        let pending = self.database.read(move |db| pending_among(db, &ids)).await?;
        self.tell_inventory(call, pending).await
    }

    /// Tells inventory of every product that it could not be told of before.
    pub async fn register_pending(&self) -> Result<(), ShopError> {
        let mut last = String::new();
        loop {
            let from = last.clone();
            let ids = self.database.read(move |db| unregistered(db, &from)).await?;
            let Some(end) = ids.last() else { return Ok(()) };
            end.as_str().clone_into(&mut last);
            let call = Call::internal("register_products");
            match self.register(&call, ids).await {
                // A refusal concerns these products; those after them need not wait for it.
                Err(ShopError::Inventory(error)) if emporium_kernel::Fault::outage(&error).is_none() => {
                    tracing::error!(%error, "inventory refused to register products");
                }
                done => done?,
            }
        }
    }

    async fn tell_inventory(&self, call: &Call, pending: Vec<Pending>) -> Result<(), ShopError> {
        let mut told: Vec<(ProductId, i64)> = Vec::new();
        let mut waiting: Vec<Registration> = Vec::new();
        for product in pending {
            if waiting.len() + product.skus.len() > AT_ONCE {
                self.announce(call, &mut waiting).await?;
                self.mark_registered(std::mem::take(&mut told)).await?;
            }
            waiting.extend(product.skus);
            told.push((product.id, product.version));
        }
        self.announce(call, &mut waiting).await?;
        self.mark_registered(told).await
    }

    async fn announce(&self, call: &Call, waiting: &mut Vec<Registration>) -> Result<(), ShopError> {
        while !waiting.is_empty() {
            let rest = waiting.split_off(waiting.len().min(AT_ONCE));
            let skus = std::mem::replace(waiting, rest);
            self.inventory.register(call, Register { skus }).await?;
        }
        Ok(())
    }

    async fn mark_registered(&self, told: Vec<(ProductId, i64)>) -> Result<(), ShopError> {
        if told.is_empty() {
            return Ok(());
        }
        self.database.write_in(Lane::Continuation, move |db| mark(db, &told)).await
    }
}

/// Notes what inventory knows now; a product that was changed meanwhile has to be told again.
fn mark(db: &mut Db, told: &[(ProductId, i64)]) -> Done<()> {
    for (id, version) in told {
        let row = product::table.filter(product::id.eq(id.as_str()));
        let same = row.filter(product::version.eq(version));
        if diesel::update(same).set(product::registered.eq(1)).execute(db)? == 0 {
            diesel::update(row).set(product::registered.eq(0)).execute(db)?;
        }
    }
    Ok(())
}

fn unregistered(db: &mut Db, after: &str) -> Done<Vec<ProductId>> {
    let ids: Vec<String> = product::table
        .filter(product::registered.eq(0).and(product::id.gt(after)))
        .select(product::id)
        .order(product::id)
        .limit(ROUND)
        .load(db)?;
    Ok(ids.into_iter().map(ProductId::stored).collect())
}

fn pending_among(db: &mut Db, ids: &[ProductId]) -> Done<Vec<Pending>> {
    let rows: Vec<(String, i64, String, Option<String>)> = product::table
        .filter(product::registered.eq(0).and(product::id.eq_any(ids.iter().map(ProductId::as_str))))
        .select((product::id, product::version, product::title, product::supplier))
        .load(db)?;
    let variants: Vec<(String, String, String)> = skus::table
        .filter(skus::product.eq_any(rows.iter().map(|row| &row.0)).and(skus::archived.eq(0)))
        .select((skus::product, skus::sku, skus::title))
        .load(db)?;
    let mut of = HashMap::<String, Vec<(String, String)>>::new();
    for (product, sku, title) in variants {
        of.entry(product).or_default().push((sku, title));
    }
    let pending = rows.into_iter().map(|(id, version, title, supplier)| {
        let skus = of.remove(&id).unwrap_or_default().into_iter();
        let registration = |(sku, variant): (String, String)| Registration {
            sku: Sku::stored(sku),
            title: full_title(&title, &variant),
            supplier: supplier.clone(),
        };
        Pending { skus: skus.map(registration).collect(), id: ProductId::stored(id), version }
    });
    Ok(pending.collect())
}
