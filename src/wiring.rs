//! The only file that knows here from elsewhere: opens what this process holds and hands each module its neighbours.

use std::sync::Arc;

use actix_web::web;
use anyhow::{Context, anyhow};
use emporium_database::{Database, Migrations, Url};
use emporium_kernel::{Authenticator, Clock, Random, Routes};

use crate::settings::{MODULES, Settings};

/// How the databases are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Created, migrated and taken for this process alone.
    Own,
    /// As they are, beside a process that owns them.
    ReadOnly,
}

/// The modules of this process.
pub struct Modules {
    /// Users and tokens.
    pub auth: Option<Arc<emporium_auth::Users>>,
    /// Stock.
    pub inventory: Option<Arc<emporium_inventory::Stock>>,
    /// Money.
    pub wallet: Option<Arc<emporium_wallet::Ledger>>,
    /// Catalogue, carts and orders.
    pub shop: Option<Arc<emporium_shop::Shop>>,
    authenticator: Arc<dyn Authenticator>,
}

impl Modules {
    /// Opens every module that the settings name.
    pub fn open(settings: &Settings, mode: Mode, clock: &Clock, random: &Random) -> anyhow::Result<Self> {
        check_neighbours(settings)?;
        let opener = Opener { settings, mode, clock, random };
        let auth = opener.auth()?;
        let inventory = opener.inventory()?;
        let users: Option<Arc<dyn emporium_auth_api::Auth>> =
            auth.clone().map(|near| Arc::new(emporium_auth_api::Near(near)) as _);
        let wallet = opener.wallet(users.clone())?;
        let shop = opener.shop(inventory.clone(), wallet.clone())?;
        let users = users.context("auth is held")?;
        let authenticator = Arc::new(emporium_auth_api::Verifier::new(users, clock.clone()));
        Ok(Self { auth, inventory, wallet, shop, authenticator })
    }

    /// The public routes of what is held.
    pub fn routes(&self) -> Routes {
        let none = || Routes::new("none");
        let auth = self.auth.as_ref().map_or_else(none, |_| emporium_auth::routes());
        let inventory = self.inventory.as_ref().map_or_else(none, |_| emporium_inventory::routes());
        let wallet = self.wallet.as_ref().map_or_else(none, |_| emporium_wallet::routes());
        let shop = self.shop.as_ref().map_or_else(none, |_| emporium_shop::routes());
        shop.and(inventory).and(wallet).and(auth)
    }

    /// Gives the handlers what they need and mounts the routes.
    pub fn mount(&self, app: &mut web::ServiceConfig) {
        app.app_data(web::Data::<dyn Authenticator>::from(self.authenticator.clone()));
        if let Some(auth) = &self.auth {
            app.app_data(web::Data::from(auth.clone()));
        }
        if let Some(inventory) = &self.inventory {
            app.app_data(web::Data::from(inventory.clone()));
        }
        if let Some(wallet) = &self.wallet {
            app.app_data(web::Data::from(wallet.clone()));
        }
        if let Some(shop) = &self.shop {
            app.app_data(web::Data::from(shop.clone()));
        }
        self.routes().mount(app);
    }

    /// The databases of what is held, by module.
    pub fn databases(&self) -> Vec<(&'static str, Database)> {
        let auth = self.auth.as_ref().map(|auth| ("auth", auth.database().clone()));
        let inventory = self.inventory.as_ref().map(|stock| ("inventory", stock.database().clone()));
        let wallet = self.wallet.as_ref().map(|ledger| ("wallet", ledger.database().clone()));
        let shop = self.shop.as_ref().map(|shop| ("shop", shop.database().clone()));
        [auth, inventory, wallet, shop].into_iter().flatten().collect()
    }

    /// Ends what would otherwise go on for ever, so that the listeners can stop.
    pub fn drain(&self) {
        if let Some(stock) = &self.inventory {
            stock.drain();
        }
    }

    /// Finishes what is queued and gives the databases free.
    pub fn close(&self) {
        self.databases().into_iter().for_each(|(_, database)| database.close());
    }
}

/// The public routes of every module.
pub fn all_routes() -> Routes {
    let (shop, inventory) = (emporium_shop::routes(), emporium_inventory::routes());
    shop.and(inventory).and(emporium_wallet::routes()).and(emporium_auth::routes())
}

/// What a module cannot do without, and for what.
const NEIGHBOURS: [(&str, &str, &str); 5] = [
    ("inventory", "auth", "to know who asks"),
    ("wallet", "auth", "to find who is paid"),
    ("shop", "auth", "to know who asks"),
    ("shop", "inventory", "to reserve stock"),
    ("shop", "wallet", "to be paid"),
];

/// Refuses a process that lacks a module which another one calls, before anything is opened.
fn check_neighbours(settings: &Settings) -> anyhow::Result<()> {
    for (module, neighbour, purpose) in NEIGHBOURS {
        let alone = settings.holds(module) && !settings.holds(neighbour);
        anyhow::ensure!(!alone, "{module} needs {neighbour} {purpose}: name it in --modules or modules.held too");
    }
    Ok(())
}

/// Reads every held module's section, to name mistakes without opening anything.
pub fn check_sections(settings: &Settings) -> anyhow::Result<()> {
    check_neighbours(settings)?;
    settings.section::<emporium_auth::Settings>("auth")?.check().map_err(|error| anyhow!("[auth] {error}"))?;
    settings.section::<emporium_inventory::Settings>("inventory")?;
    settings.section::<emporium_wallet::Settings>("wallet")?;
    settings.section::<emporium_shop::Settings>("shop")?;
    MODULES.iter().try_for_each(|module| settings.database(module).map(drop))
}

/// The migrations that opening would carry out, by held module; nothing is changed or made.
pub fn pending_migrations(settings: &Settings) -> anyhow::Result<Vec<(&'static str, Vec<String>)>> {
    let all = [
        ("auth", emporium_auth::MIGRATIONS),
        ("inventory", emporium_inventory::MIGRATIONS),
        ("wallet", emporium_wallet::MIGRATIONS),
        ("shop", emporium_shop::MIGRATIONS),
    ];
    let held = all.into_iter().filter(|(module, _)| settings.holds(module));
    held.map(|(module, migrations)| Ok((module, migrations.pending(&settings.database(module)?)?))).collect()
}

struct Opener<'a> {
    settings: &'a Settings,
    mode: Mode,
    clock: &'a Clock,
    random: &'a Random,
}

impl Opener<'_> {
    fn database(&self, module: &str, migrations: Migrations) -> anyhow::Result<Database> {
        let url: Url = self.settings.database(module)?;
        let database = match self.mode {
            Mode::Own => Database::open(&url, migrations),
            Mode::ReadOnly => Database::open_read_only(&url, migrations),
        };
        database.with_context(|| format!("the database of {module}"))
    }

    fn auth(&self) -> anyhow::Result<Option<Arc<emporium_auth::Users>>> {
        if !self.settings.holds("auth") {
            return Ok(None);
        }
        let section = self.settings.section("auth")?;
        let database = self.database("auth", emporium_auth::MIGRATIONS)?;
        let data = &self.settings.general.data;
        Ok(Some(emporium_auth::Users::of(database, section, data, self.clock.clone(), self.random.clone())?))
    }

    fn inventory(&self) -> anyhow::Result<Option<Arc<emporium_inventory::Stock>>> {
        if !self.settings.holds("inventory") {
            return Ok(None);
        }
        let section = self.settings.section("inventory")?;
        let database = self.database("inventory", emporium_inventory::MIGRATIONS)?;
        Ok(Some(emporium_inventory::Stock::of(database, section, self.clock.clone(), self.random.clone())))
    }

    fn wallet(
        &self,
        users: Option<Arc<dyn emporium_auth_api::Auth>>,
    ) -> anyhow::Result<Option<Arc<emporium_wallet::Ledger>>> {
        if !self.settings.holds("wallet") {
            return Ok(None);
        }
        let users = users.context("wallet is held with auth")?;
        let mut section: emporium_wallet::Settings = self.settings.section("wallet")?;
        if self.settings.general.payments.deposits == "instant" {
            section.deposits = emporium_wallet::Deposits::Instant;
        }
        let database = self.database("wallet", emporium_wallet::MIGRATIONS)?;
        Ok(Some(emporium_wallet::Ledger::of(database, section, users, self.clock.clone(), self.random.clone())))
    }

    fn shop(
        &self,
        inventory: Option<Arc<emporium_inventory::Stock>>,
        wallet: Option<Arc<emporium_wallet::Ledger>>,
    ) -> anyhow::Result<Option<Arc<emporium_shop::Shop>>> {
        if !self.settings.holds("shop") {
            return Ok(None);
        }
        let inventory = inventory.context("shop is held with inventory")?;
        let wallet = wallet.context("shop is held with wallet")?;
        let inventory = Arc::new(emporium_inventory_api::Near(inventory));
        let wallet = Arc::new(emporium_wallet_api::Near(wallet));
        let database = self.database("shop", emporium_shop::MIGRATIONS)?;
        let section = self.settings.section("shop")?;
        let (clock, random) = (self.clock.clone(), self.random.clone());
        Ok(Some(emporium_shop::Shop::of(database, section, inventory, wallet, clock, random)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, to_value};

    use super::*;
    use crate::settings::Overrides;

    #[test]
    fn the_shipped_file_documents_every_key_of_every_module_with_its_default() {
        let settings = Settings::load(&[], &Overrides::default()).expect("the defaults are valid");
        check_sections(&settings).expect("every section is valid");
        let shown = settings.shown().expect("shows");
        let defaults: [(&str, Value); 4] = [
            ("auth", to_value(emporium_auth::Settings::default()).expect("serializes")),
            ("inventory", to_value(emporium_inventory::Settings::default()).expect("serializes")),
            ("shop", to_value(emporium_shop::Settings::default()).expect("serializes")),
            ("wallet", to_value(emporium_wallet::Settings::default()).expect("serializes")),
        ];
        for (module, default) in defaults {
            assert_eq!(shown[module], default, "[{module}] of config.toml is not what the module does by default");
        }
    }
}
