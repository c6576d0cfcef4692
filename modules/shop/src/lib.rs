//! The shop: what is sold, carts, and orders from checkout to placed.

mod carts;
pub mod catalogue;
pub mod csv;
mod error;
mod http;
pub mod orders;
mod patience;
mod personal;
mod schema;
mod settings;

use std::sync::Arc;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use emporium_auth_api::Auth;
use emporium_database::{Database, Db, Lane, Migrations, OpenError, Url, idempotency, outbox};
use emporium_inventory_api::Inventory;
use emporium_kernel::{After, Call, Clock, Events, Random};
use emporium_shop_api::FeedError;
use emporium_wallet_api::Wallet;
use tokio::sync::Semaphore;

pub use error::ShopError;
pub use http::routes;
pub use settings::Settings;

use catalogue::ProductCache;

const ON_SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/shop/sqlite");
const ON_MYSQL: EmbeddedMigrations = embed_migrations!("../../migrations/shop/mysql");

/// The schema of shop's database.
pub const MIGRATIONS: Migrations = Migrations::new(&ON_SQLITE, &ON_MYSQL);

/// The shop of one process.
pub struct Shop {
    database: Database,
    settings: Settings,
    users: Arc<dyn Auth>,
    inventory: Arc<dyn Inventory>,
    wallet: Arc<dyn Wallet>,
    products: ProductCache,
    /// A place for each order that is being placed.
    places: Arc<Semaphore>,
    clock: Clock,
    random: Random,
}

impl Shop {
    /// Opens the shop's database, creating and migrating it as needed.
    pub fn open(
        url: &Url,
        settings: Settings,
        users: Arc<dyn Auth>,
        inventory: Arc<dyn Inventory>,
        wallet: Arc<dyn Wallet>,
        clock: Clock,
        random: Random,
    ) -> Result<Arc<Self>, OpenError> {
        let database = Database::open(url, MIGRATIONS)?;
        Ok(Self::of(database, settings, users, inventory, wallet, clock, random))
    }

    /// The shop on a database that is already open.
    pub fn of(
        database: Database,
        settings: Settings,
        users: Arc<dyn Auth>,
        inventory: Arc<dyn Inventory>,
        wallet: Arc<dyn Wallet>,
        clock: Clock,
        random: Random,
    ) -> Arc<Self> {
        let products = database.cache(settings.product_cache);
        let places = Arc::new(Semaphore::new(settings.orders_at_once.clamp(1, Semaphore::MAX_PERMITS)));
        Arc::new(Self { database, settings, users, inventory, wallet, products, places, clock, random })
    }

    /// The shop's database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// A bounded sweep of what time brings: carts, keys and events that nobody needs any more, products that are not found by
    /// their category's new name, and registrations that inventory has not heard of. One part that fails does not keep
    /// the others from being done.
    pub async fn sweep(&self) -> Result<(), ShopError> {
        let carts = self.sweep_carts().await.map(drop);
        let pruned = self.prune().await;
        let indexed = self.index_renamed().await;
        // Last, since it waits for a neighbour.
        carts.and(pruned).and(indexed).and(self.register_pending().await)
    }

    /// Forgets old keys and events, as many as there are up to a bound.
    async fn prune(&self) -> Result<(), ShopError> {
        let now = self.clock.now();
        // Only events with a number are forgotten, and nobody may be reading them.
        outbox::number_all::<ShopError>(&self.database).await?;
        for _ in 0..50 {
            let prune = move |db: &mut Db| {
                let keys = idempotency::prune::<ShopError>(db, now)?;
                Ok(keys.max(outbox::prune(db, now)?))
            };
            let pruned = self.database.write_in(Lane::Continuation, prune);
            if pruned.await? < 500 {
                break;
            }
        }
        Ok(())
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
