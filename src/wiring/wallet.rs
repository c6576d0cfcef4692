//! Money in this process.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use emporium_database::Database;
use emporium_kernel::{Admission, Audit, Call};
use emporium_wallet::{Deposits, Ledger, Settings};
use emporium_wallet_api::{Near, Wallet};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::Opener;
use super::module::{Chore, Kind, Module, refused};

/// The module wallet.
pub const KIND: Kind = Kind {
    name: "wallet",
    routes: emporium_wallet::routes,
    migrations: emporium_wallet::MIGRATIONS,
    check: |settings| settings.section::<Settings>(KIND.name).map(drop),
    open,
};

const SWEEP_EVERY: Duration = Duration::from_secs(5);
const FORGET_EVERY: Duration = Duration::from_secs(10);

fn open(opener: &mut Opener<'_>) -> anyhow::Result<Box<dyn Module>> {
    let mut section: Settings = opener.settings.section(KIND.name)?;
    if opener.settings.general.payments.deposits == "instant" {
        section.deposits = Deposits::Instant;
    }
    let users = opener.neighbours.users(KIND.name)?;
    let (clock, random) = (opener.clock.clone(), opener.random.clone());
    let ledger = Ledger::of(opener.database(&KIND)?, section, users, clock, random);
    opener.neighbours.offer::<dyn Wallet>(Arc::new(Near(ledger.clone())));
    Ok(Box::new(ledger))
}

impl Module for Arc<Ledger> {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn database(&self) -> &Database {
        Ledger::database(self)
    }

    fn provide(&self, app: &mut web::ServiceConfig) {
        app.app_data(web::Data::from(self.clone()));
    }

    fn serve(&self, app: &mut web::ServiceConfig, admission: Arc<dyn Admission>) {
        emporium_wallet_api::routes(Arc::new(Near(self.clone())), admission)(app);
    }

    fn chores(&self) -> Vec<Chore> {
        let ledger = self.clone();
        let sweep = move || {
            let ledger = ledger.clone();
            async move { ledger.sweep().await }
        };
        let ledger = self.clone();
        let forget = move || {
            let ledger = ledger.clone();
            async move { ledger.forget_erased().await }
        };
        vec![Chore::alone(SWEEP_EVERY, sweep), Chore::each(FORGET_EVERY, forget)]
    }

    fn verify(&self, call: Call) -> Option<LocalBoxFuture<'_, anyhow::Result<Audit>>> {
        let audit = async move { Wallet::verify(&**self, &call, ()).await.map_err(refused) };
        Some(audit.boxed_local())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wiring::module::documented;

    #[test]
    fn the_shipped_file_documents_every_key_with_its_default() {
        assert_eq!(documented("wallet"), serde_json::to_value(Settings::default()).expect("serializes"));
    }
}
