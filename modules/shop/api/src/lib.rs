//! What shop offers to its neighbours: the feed of what happened to products and orders.

use emporium_kernel::{After, Events, Fault, Outage, contract, id};
use serde::{Deserialize, Serialize};

id!(
    /// Names an order.
    OrderId = "ord"
);
id!(
    /// Names a product.
    ProductId = "prd"
);

/// Why the feed is not given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum FeedError {
    /// The machinery failed.
    #[error(transparent)]
    #[serde(untagged)]
    Outage(#[from] Outage),
}

impl Fault for FeedError {
    fn status(&self) -> actix_web::http::StatusCode {
        match self {
            FeedError::Outage(outage) => outage.status(),
        }
    }

    fn outage(&self) -> Option<Outage> {
        match self {
            FeedError::Outage(outage) => Some(*outage),
        }
    }
}

contract! {
    /// What happened to products and orders.
    pub trait Shop at "/internal/shop" failing FeedError {
        /// The events after a number.
        async fn events(&self, After) -> Events, repeatable;
    }
}
