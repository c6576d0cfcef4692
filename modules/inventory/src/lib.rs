//! Inventory: where stock is, how much of it is promised, and how it came to be so.
//!
//! *On hand* is on the shelf; *reserved* is promised to orders; *available* is what is left. Every change of a level
//! is one guarded update, one movement and one event, in the transaction of the command that caused it.

mod adjustments;
mod commands;
mod error;
mod feed;
mod http;
mod items;
mod levels;
mod locations;
mod movements;
mod reservations;
mod schema;
mod settings;
mod sweep;
mod transfers;
mod verify;

use std::sync::Arc;

use async_trait::async_trait;
use diesel_migrations::EmbeddedMigrations;
use emporium_database::{Database, Lane, Migrations, OpenError, Url, embedded, outbox};
use emporium_inventory_api::{
    Adjust, AdjustRow, AskAvailability, AskLevels, AskReservations, Available, Inventory, InventoryError, Level,
    OfReservation, Register, Registered, Reservation, Reserve,
};
use emporium_kernel::{After, Audit, Call, Clock, Events, Outage, Page, Random, derived_id};
use tokio::sync::{Semaphore, watch};

use adjustments::Adjustment;
use reservations::Wanted;
use sweep::LastSweep;

pub use http::routes;
pub use items::Threshold;
pub use levels::LevelFilter;
pub use locations::{Location, main_location};
pub use movements::{CauseKind, Kind, Movement, MovementCause, MovementFilter};
pub use reservations::{Held, HeldLine, ReservationFilter};
pub use settings::Settings;
pub use transfers::{TransferId, Transferred};

const ON_SQLITE: EmbeddedMigrations = embedded!("../../migrations/inventory/sqlite");
const ON_MYSQL: EmbeddedMigrations = embedded!("../../migrations/inventory/mysql");

/// The schema of stock.
pub const MIGRATIONS: Migrations = Migrations::new(&ON_SQLITE, &ON_MYSQL);

/// The stock of the shop.
#[derive(Debug)]
pub struct Stock {
    database: Database,
    settings: Settings,
    clock: Clock,
    random: Random,
    last_sweep: LastSweep,
    streams: Arc<Semaphore>,
    drained: watch::Sender<bool>,
}

impl Stock {
    /// Opens the database at `url`, making and migrating it as needed; a new one has one location, the default.
    pub fn open(url: &Url, settings: Settings, clock: Clock, random: Random) -> Result<Arc<Self>, OpenError> {
        Ok(Self::of(Database::open(url, MIGRATIONS)?, settings, clock, random))
    }

    /// Opens an existing database beside the process that owns it; every write is refused.
    pub fn open_read_only(url: &Url, settings: Settings, clock: Clock, random: Random) -> Result<Arc<Self>, OpenError> {
        Ok(Self::of(Database::open_read_only(url, MIGRATIONS)?, settings, clock, random))
    }

    /// Stock in a database that is open already.
    pub fn of(database: Database, settings: Settings, clock: Clock, random: Random) -> Arc<Self> {
        let streams = Arc::new(Semaphore::new(settings.most_streams.into()));
        let (drained, _) = watch::channel(false);
        Arc::new(Self { database, settings, clock, random, last_sweep: LastSweep::default(), streams, drained })
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// One bounded round of what time does: expires reservations, forgets old keys, commands, tombstones and events, and
    /// the empty levels of locations that were removed.
    pub async fn sweep(&self) -> Result<(), InventoryError> {
        sweep::sweep(self).await
    }

    /// Ends the live streams and opens no more: for a process that is about to stop.
    pub fn drain(&self) {
        self.drained.send_replace(true);
    }

    /// The levels that these rows would lead to, or why they would be refused, by what is stored now; nothing is changed.
    pub async fn foresee(&self, rows: Vec<AdjustRow>) -> Result<Vec<Level>, InventoryError> {
        self.database.read(move |db| adjustments::foresee(db, &rows)).await
    }

    /// A page of levels by SKU and location, of everybody's SKUs.
    pub async fn list_levels(&self, filter: LevelFilter) -> Result<Page<Level>, InventoryError> {
        self.database.read(move |db| levels::list(db, &filter, None)).await
    }
}

/// A call whose time is over is not begun.
fn in_time(call: &Call) -> Result<(), InventoryError> {
    if call.is_over() { Err(Outage::DeadlineExceeded.into()) } else { Ok(()) }
}

#[async_trait]
impl Inventory for Stock {
    async fn register(&self, call: &Call, ask: Register) -> Result<Registered, InventoryError> {
        in_time(call)?;
        let now = self.clock.now();
        let mut created = Vec::new();
        for skus in ask.skus.chunks(items::AT_ONCE) {
            let skus = skus.to_vec();
            created.extend(self.database.write(move |db| items::register(db, &skus, now)).await?);
        }
        Ok(Registered { created })
    }

    async fn reserve(&self, call: &Call, ask: Reserve) -> Result<Reservation, InventoryError> {
        in_time(call)?;
        let (wanted, id) = (Wanted::new(&ask, self.clock.now()), ask.id.clone());
        self.database.admit(move |db| Ok(reservations::state(db, &id)?.is_some())).await?;
        self.database.write_step("reserve", Lane::Continuation, move |db| reservations::reserve(db, &wanted)).await?
    }

    async fn commit(&self, call: &Call, ask: OfReservation) -> Result<Reservation, InventoryError> {
        in_time(call)?;
        let now = self.clock.now();
        self.database.write_step("commit", Lane::Continuation, move |db| reservations::commit(db, &ask.id, now)).await
    }

    async fn release(&self, call: &Call, ask: OfReservation) -> Result<Reservation, InventoryError> {
        in_time(call)?;
        let now = self.clock.now();
        self.database.write_step("release", Lane::Continuation, move |db| reservations::release(db, &ask.id, now)).await
    }

    async fn availability(&self, call: &Call, ask: AskAvailability) -> Result<Vec<Available>, InventoryError> {
        in_time(call)?;
        self.database.read(move |db| levels::availability(db, ask.skus)).await
    }

    async fn adjust(&self, call: &Call, ask: Adjust) -> Result<Vec<Level>, InventoryError> {
        in_time(call)?;
        let content = serde_json::to_string(&(&ask.actor, &ask.rows)).map_err(|_| Outage::Internal)?;
        let fingerprint = derived_id(&["adjust", &content]);
        let now = self.clock.now();
        let adjustment = Adjustment { id: ask.id, actor: ask.actor, rows: ask.rows, supplier: None, now };
        let work = move |db: &mut _| {
            commands::once(db, &adjustment.id, &fingerprint, now, |db| adjustments::adjust(db, &adjustment))
        };
        self.database.write(work).await?
    }

    async fn levels(&self, call: &Call, ask: AskLevels) -> Result<Vec<Level>, InventoryError> {
        in_time(call)?;
        self.database.read(move |db| levels::of(db, &ask.skus)).await
    }

    async fn reservations(&self, call: &Call, ask: AskReservations) -> Result<Vec<Reservation>, InventoryError> {
        in_time(call)?;
        self.database.read(move |db| reservations::states(db, &ask.ids)).await
    }

    async fn events(&self, call: &Call, ask: After) -> Result<Events, InventoryError> {
        in_time(call)?;
        outbox::after(&self.database, ask).await
    }

    async fn verify(&self, _: &Call, (): ()) -> Result<Audit, InventoryError> {
        verify::verify(self).await
    }
}
