//! The shop: what is sold, carts, and orders from checkout to placed.

mod carts;
pub mod catalogue;
pub mod csv;
mod error;
mod http;
pub mod orders;
mod schema;
mod settings;

use std::sync::Arc;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use emporium_database::{Database, Lane, Migrations, OpenError, Url, idempotency, outbox};
use emporium_inventory_api::Inventory;
use emporium_kernel::{After, Call, Clock, Events, Random};
use emporium_shop_api::FeedError;
use emporium_wallet_api::Wallet;

pub use error::ShopError;
pub use http::routes;
pub use settings::Settings;

use catalogue::ProductCache;

const EMBEDDED: EmbeddedMigrations = embed_migrations!("../../migrations/shop/sqlite");

/// The schema of shop's database.
pub const MIGRATIONS: Migrations = Migrations::new(&EMBEDDED);

/// The shop of one process.
pub struct Shop {
    database: Database,
    settings: Settings,
    inventory: Arc<dyn Inventory>,
    wallet: Arc<dyn Wallet>,
    products: ProductCache,
    clock: Clock,
    random: Random,
}

impl Shop {
    /// Opens the shop's database, creating and migrating it as needed.
    pub fn open(
        url: &Url,
        settings: Settings,
        inventory: Arc<dyn Inventory>,
        wallet: Arc<dyn Wallet>,
        clock: Clock,
        random: Random,
    ) -> Result<Arc<Self>, OpenError> {
        let database = Database::open(url, MIGRATIONS)?;
        Ok(Self::of(database, settings, inventory, wallet, clock, random))
    }

    /// The shop on a database that is already open.
    pub fn of(
        database: Database,
        settings: Settings,
        inventory: Arc<dyn Inventory>,
        wallet: Arc<dyn Wallet>,
        clock: Clock,
        random: Random,
    ) -> Arc<Self> {
        let products = ProductCache::new(settings.product_cache);
        Arc::new(Self { database, settings, inventory, wallet, products, clock, random })
    }

    /// The shop's database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// One round of what time brings: registrations that inventory has not heard of, carts, keys and events that
    /// nobody needs any more.
    pub async fn sweep(&self) -> Result<(), ShopError> {
        self.register_pending().await?;
        self.sweep_carts().await?;
        let now = self.clock.now();
        let prune = move |db: &mut emporium_database::Db| {
            idempotency::prune(db, now)?;
            outbox::prune(db, now).map(drop)
        };
        self.database.write_in(Lane::Continuation, prune).await
    }

    /// The shop's settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

#[async_trait::async_trait]
impl emporium_shop_api::Shop for Shop {
    async fn events(&self, _: &Call, ask: After) -> Result<Events, FeedError> {
        outbox::after(&self.database, ask).await
    }
}
