//! Catalogue, carts and orders in this process.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use emporium_database::Database;
use emporium_inventory_api::Inventory;
use emporium_kernel::{Admission, Audit, Call};
use emporium_shop::{Settings, Shop};
use emporium_shop_api::Near;
use emporium_wallet_api::Wallet;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::Opener;
use super::module::{Chore, Kind, Module, refused};

/// The module shop.
pub const KIND: Kind = Kind {
    name: "shop",
    routes: emporium_shop::routes,
    migrations: emporium_shop::MIGRATIONS,
    check: |settings| section(settings).map(drop),
    open,
};

const RECOVER_EVERY: Duration = Duration::from_millis(250);
const SWEEP_EVERY: Duration = Duration::from_secs(5);
const FORGET_EVERY: Duration = Duration::from_secs(10);

fn section(settings: &crate::settings::Settings) -> anyhow::Result<Settings> {
    let section: Settings = settings.section(KIND.name)?;
    section.check().map_err(|error| anyhow::anyhow!("[shop] {error}"))?;
    Ok(section)
}

fn open(opener: &mut Opener<'_>) -> anyhow::Result<Box<dyn Module>> {
    let section = section(opener.settings)?;
    let neighbours = &mut opener.neighbours;
    let users = neighbours.users(KIND.name)?;
    let inventory = neighbours
        .find::<dyn Inventory>(KIND.name, "inventory", |link| Arc::new(emporium_inventory_api::Client(link)))?;
    let wallet =
        neighbours.find::<dyn Wallet>(KIND.name, "wallet", |link| Arc::new(emporium_wallet_api::Client(link)))?;
    let (clock, random) = (opener.clock.clone(), opener.random.clone());
    let shop = Shop::of(opener.database(&KIND)?, section, users, inventory, wallet, clock, random);
    opener.neighbours.offer::<dyn emporium_shop_api::Shop>(Arc::new(Near(shop.clone())));
    Ok(Box::new(shop))
}

impl Module for Arc<Shop> {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn database(&self) -> &Database {
        Shop::database(self)
    }

    fn provide(&self, app: &mut web::ServiceConfig) {
        app.app_data(web::Data::from(self.clone()));
    }

    fn serve(&self, app: &mut web::ServiceConfig, admission: Arc<dyn Admission>) {
        emporium_shop_api::routes(Arc::new(Near(self.clone())), admission)(app);
    }

    fn take_over(&self) -> LocalBoxFuture<'_, anyhow::Result<()>> {
        let work = async move {
            // Where nobody else uses the database, whoever held a lease is gone.
            if !Shop::database(self).is_shared() {
                Shop::take_over(self).await?;
            }
            Ok(())
        };
        work.boxed_local()
    }

    fn chores(&self) -> Vec<Chore> {
        let shop = self.clone();
        let recover = move || {
            let shop = shop.clone();
            async move { shop.recover().await.map(drop) }
        };
        let shop = self.clone();
        let sweep = move || {
            let shop = shop.clone();
            async move { shop.sweep().await }
        };
        let shop = self.clone();
        let forget = move || {
            let shop = shop.clone();
            async move { shop.forget_erased().await }
        };
        vec![Chore::each(RECOVER_EVERY, recover), Chore::alone(SWEEP_EVERY, sweep), Chore::each(FORGET_EVERY, forget)]
    }

    fn verify(&self, call: Call) -> Option<LocalBoxFuture<'_, anyhow::Result<Audit>>> {
        let audit = async move { Shop::verify(self, &call).await.map_err(refused) };
        Some(audit.boxed_local())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wiring::module::documented;

    #[test]
    fn the_shipped_file_documents_every_key_with_its_default() {
        assert_eq!(documented("shop"), serde_json::to_value(Settings::default()).expect("serializes"));
    }
}
