//! Orders: from the first request to placed or cancelled.

mod cancel;
mod drive;
mod listing;
mod order;
mod place;
mod recovery;
mod saga;
#[cfg(test)]
mod simulation;
mod tax;
mod transitions;
mod verify;

pub use cancel::Canceller;
pub use listing::{OrderFilter, OwnOrderFilter};
pub use order::{FulfilmentStatus, Order, OrderEvent, OrderLine, OrderStatus, PaymentStatus};
pub(crate) use place::Basket;
pub use place::{Line, NewOrder, Payment, PaymentMethod, Placement};
pub use recovery::StuckOrder;
pub use tax::{NoRate, TaxRate};
