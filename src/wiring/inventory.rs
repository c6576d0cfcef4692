//! Stock in this process.

use std::sync::Arc;

use actix_web::web;
use emporium_database::Database;
use emporium_inventory::{Settings, Stock};
use emporium_inventory_api::{Inventory, Near};
use emporium_kernel::{Admission, Audit, Call};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::Opener;
use super::module::{Chore, Kind, Module, refused};

/// The module inventory.
pub const KIND: Kind = Kind {
    name: "inventory",
    routes: emporium_inventory::routes,
    migrations: emporium_inventory::MIGRATIONS,
    check: |settings| settings.section::<Settings>(KIND.name).map(drop),
    open,
};

fn open(opener: &mut Opener<'_>) -> anyhow::Result<Box<dyn Module>> {
    let section = opener.settings.section(KIND.name)?;
    let (clock, random) = (opener.clock.clone(), opener.random.clone());
    let stock = Stock::of(opener.database(&KIND)?, section, clock, random);
    opener.neighbours.offer::<dyn Inventory>(Arc::new(Near(stock.clone())));
    Ok(Box::new(stock))
}

impl Module for Arc<Stock> {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn database(&self) -> &Database {
        Stock::database(self)
    }

    fn provide(&self, app: &mut web::ServiceConfig) {
        app.app_data(web::Data::from(self.clone()));
    }

    fn serve(&self, app: &mut web::ServiceConfig, admission: Arc<dyn Admission>) {
        emporium_inventory_api::routes(Arc::new(Near(self.clone())), admission)(app);
    }

    fn chores(&self) -> Vec<Chore> {
        let stock = self.clone();
        let sweep = move || {
            let stock = stock.clone();
            async move { stock.sweep().await }
        };
        vec![Chore::alone(self.settings().sweep_every(), sweep)]
    }

    fn drain(&self) {
        Stock::drain(self);
    }

    fn verify(&self, call: Call) -> Option<LocalBoxFuture<'_, anyhow::Result<Audit>>> {
        let audit = async move { Inventory::verify(&**self, &call, ()).await.map_err(refused) };
        Some(audit.boxed_local())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wiring::module::documented;

    #[test]
    fn the_shipped_file_documents_every_key_with_its_default() {
        assert_eq!(documented("inventory"), serde_json::to_value(Settings::default()).expect("serializes"));
    }
}
