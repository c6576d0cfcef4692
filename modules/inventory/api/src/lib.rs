//! What inventory offers to its neighbours: stock that can be reserved for an order, committed and given back.

pub mod lifecycle;
mod sku;

use emporium_kernel::{After, Audit, Events, Fault, Outage, Quantity, contract, id};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use sku::Sku;

id!(
    /// Names a place where stock is kept.
    LocationId = "loc"
);
id!(
    /// Names a reservation; derived from order, step and attempt.
    ReservationId = "rsv"
);

/// Makes SKUs known, so that stock can be kept for them. Known ones only change title and supplier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// Any number; more than 1,000 take several transactions.
    pub skus: Vec<Registration>,
}

/// One SKU to make known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The SKU.
    pub sku: Sku,
    /// What it is called, for people who count it.
    pub title: String,
    /// The user who supplies it; `None` for the store itself.
    pub supplier: Option<String>,
}

/// What [`Inventory::register`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// Those that were not known before.
    pub created: Vec<Sku>,
}

/// Reserves stock for an order, all lines or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserve {
    /// The same for every repetition.
    pub id: ReservationId,
    /// The order it is for.
    pub order: String,
    /// Lines; the same SKU twice is summed.
    pub lines: Vec<ReserveLine>,
    /// How long it is kept unless it is committed first.
    pub expires_in_secs: u32,
}

/// One line to reserve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReserveLine {
    /// What.
    pub sku: Sku,
    /// How many.
    pub quantity: Quantity,
}

/// Names the reservation to commit, release or look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfReservation {
    /// The reservation.
    pub id: ReservationId,
}

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReservationState {
    /// Promised: counted as reserved.
    Reserved,
    /// Taken off the shelf for good.
    Committed,
    /// Given back before it was committed.
    Released,
    /// Given back after it was committed.
    Returned,
    /// Given back because nobody committed it in time.
    Expired,
    /// Refused when it was asked for; nothing was reserved.
    Refused,
    /// Released before it arrived; whoever asks for it later is refused.
    Tombstone,
}

/// A reservation as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Its id.
    pub id: ReservationId,
    /// Where it stands.
    pub state: ReservationState,
}

/// Asks how much of each SKU can be bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskAvailability {
    /// Any number.
    pub skus: Vec<Sku>,
}

/// How much can be bought, over all locations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Available {
    /// The SKU.
    pub sku: Sku,
    /// On hand less reserved; 0 for an unknown SKU.
    pub available: i64,
}

/// Changes stock on hand, all rows or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjust {
    /// The same for every repetition: a repeated one changes nothing and answers as before.
    pub id: String,
    /// Who does it: a user id, or `import`.
    pub actor: String,
    /// The rows. All of them are one transaction, which others wait for: a caller with many sends 1,000 at a time.
    pub rows: Vec<AdjustRow>,
}

/// One change of stock on hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdjustRow {
    /// What.
    pub sku: Sku,
    /// Where; the default location when not said.
    pub location: Option<LocationId>,
    /// By how much, or to what.
    #[serde(flatten)]
    pub change: Change,
    /// Why.
    pub reason: String,
    /// Refuse when on hand is something else.
    pub expected_on_hand: Option<i64>,
}

/// A change of a quantity on hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Adds, or takes away when negative.
    Delta(i64),
    /// Sets.
    Set(i64),
}

/// Stock of a SKU at a location.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Level {
    /// What.
    pub sku: Sku,
    /// Where.
    pub location: LocationId,
    /// On the shelf.
    pub on_hand: i64,
    /// Promised to orders.
    pub reserved: i64,
    /// What can still be promised: on hand less reserved.
    pub available: i64,
}

/// Asks what is on the shelves, at every location.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskLevels {
    /// Any number.
    pub skus: Vec<Sku>,
}

/// Asks for the reservations of some orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskReservations {
    /// Any number.
    pub ids: Vec<ReservationId>,
}

/// A SKU of which less is there than was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shortage {
    /// The SKU.
    pub sku: Sku,
    /// How many were asked for, over all lines.
    pub requested: i64,
    /// How many there are.
    pub available: i64,
}

/// Why inventory refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum InventoryError {
    /// Too little is there.
    #[error("not enough in stock")]
    OutOfStock {
        /// Everything that is short.
        short: Vec<Shortage>,
    },
    /// The catalogue never registered it, or it is another supplier's.
    #[error("there is no SKU {sku}")]
    UnknownSku {
        /// The SKU.
        sku: String,
    },
    /// There is no such location.
    #[error("there is no such location")]
    UnknownLocation,
    /// A location with that name exists.
    #[error("there is a location of that name")]
    LocationExists,
    /// The location still holds stock or is the default one.
    #[error("only an empty location that is not the default can be removed")]
    LocationInUse,
    /// On hand is not what the client thought.
    #[error("stock of {sku} is {on_hand}, not what was expected")]
    StockChanged {
        /// The SKU.
        sku: String,
        /// What is there.
        on_hand: i64,
    },
    /// The change would take away what is not there or is promised.
    #[error("only {available} of {sku} can be taken away")]
    BelowReserved {
        /// The SKU.
        sku: String,
        /// What is neither gone nor promised.
        available: i64,
    },
    /// A quantity is larger than can be counted.
    #[error("stock of {sku} would be larger than 1,000,000,000")]
    TooMuch {
        /// The SKU.
        sku: String,
    },
    /// The row is not empty.
    #[error("only a row with nothing on hand and nothing reserved can be removed")]
    RowInUse,
    /// Nobody ever asked for this reservation.
    #[error("there is no such reservation")]
    UnknownReservation,
    /// It ended before it could be committed.
    #[error("the reservation is {state:?}")]
    ReservationEnded {
        /// How it ended.
        state: ReservationState,
    },
    /// The same id came before with other content.
    #[error("this id was used for something else")]
    IdReused,
    /// The machinery failed.
    #[error(transparent)]
    #[serde(untagged)]
    Outage(#[from] Outage),
}

impl Fault for InventoryError {
    fn status(&self) -> actix_web::http::StatusCode {
        use actix_web::http::StatusCode;
        match self {
            InventoryError::UnknownSku { .. }
            | InventoryError::UnknownLocation
            | InventoryError::UnknownReservation => StatusCode::NOT_FOUND,
            InventoryError::OutOfStock { .. }
            | InventoryError::LocationExists
            | InventoryError::LocationInUse
            | InventoryError::StockChanged { .. }
            | InventoryError::BelowReserved { .. }
            | InventoryError::RowInUse
            | InventoryError::ReservationEnded { .. }
            | InventoryError::IdReused => StatusCode::CONFLICT,
            InventoryError::TooMuch { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            InventoryError::Outage(outage) => outage.status(),
        }
    }

    fn outage(&self) -> Option<Outage> {
        match self {
            InventoryError::Outage(outage) => Some(*outage),
            _ => None,
        }
    }
}

contract! {
    /// Stock that can be reserved for an order, committed, and given back.
    pub trait Inventory at "/internal/inventory" failing InventoryError {
        /// Makes SKUs known. A repeated call changes nothing.
        async fn register(&self, Register) -> Registered, repeatable;
        /// Reserves stock, all lines or none. The outcome is stored, refusals included, and a repeated call gets it again.
        async fn reserve(&self, Reserve) -> Reservation;
        /// Takes reserved stock off the shelf for good. Committing twice changes nothing; an ended reservation is refused.
        async fn commit(&self, OfReservation) -> Reservation;
        /// Gives stock back: reserved stock becomes available, committed stock goes back on hand. An unknown id becomes
        /// a tombstone. Releasing twice changes nothing.
        async fn release(&self, OfReservation) -> Reservation;
        /// How much of each SKU can be bought.
        async fn availability(&self, AskAvailability) -> Vec<Available>, repeatable;
        /// Changes stock on hand, all rows or none.
        async fn adjust(&self, Adjust) -> Vec<Level>;
        /// What is on the shelves of each location, by SKU and location; SKUs without stock may be left out.
        async fn levels(&self, AskLevels) -> Vec<Level>, repeatable;
        /// Where reservations stand; unknown ones are left out.
        async fn reservations(&self, AskReservations) -> Vec<Reservation>, repeatable;
        /// Stock that changed.
        async fn events(&self, After) -> Events, repeatable;
        /// Checks every invariant of stock.
        async fn verify(&self, ()) -> Audit, repeatable;
    }
}
