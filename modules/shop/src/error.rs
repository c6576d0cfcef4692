//! Why shop refuses. A neighbour's refusal passes through unchanged.

use actix_web::http::StatusCode;
use emporium_database::Failure;
use emporium_inventory_api::InventoryError;
use emporium_kernel::{Fault, Money, Outage};
use emporium_wallet_api::WalletError;
use serde::{Deserialize, Serialize};

/// The result of work on shop's database.
pub(crate) type Done<T> = Result<T, Failure<ShopError>>;

/// Why shop refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum ShopError {
    /// It never was, or it is another's.
    #[error("there is nothing here for you")]
    NotFound,
    /// The catalogue does not sell it.
    #[error("there is no SKU {sku} to buy")]
    UnknownSku {
        /// The SKU.
        sku: String,
    },
    /// Another product has it.
    #[error("the SKU {sku} is taken")]
    SkuTaken {
        /// The SKU.
        sku: String,
    },
    /// Another product or category has it.
    #[error("the slug {slug} is taken")]
    SlugTaken {
        /// The slug.
        slug: String,
    },
    /// There is no such category.
    #[error("there is no category {category}")]
    UnknownCategory {
        /// As it was asked for.
        category: String,
    },
    /// A category cannot be its own ancestor.
    #[error("a category cannot be moved below itself")]
    CategoryCycle,
    /// It still holds products or categories.
    #[error("the category is not empty")]
    CategoryInUse,
    /// It was changed since it was read.
    #[error("it was changed since you read it; read it again")]
    StaleVersion {
        /// The version there is now, as an ETag.
        current_version: String,
    },
    /// Nothing to buy.
    #[error("there is nothing in it")]
    Empty,
    /// More lines than allowed.
    #[error("use at most {limit} lines")]
    TooManyLines {
        /// How many are allowed.
        limit: usize,
    },
    /// The lines are priced in different currencies.
    #[error("one order has one currency; these lines have {}", currencies.join(" and "))]
    MixedCurrencies {
        /// Those found.
        currencies: Vec<String>,
    },
    /// Line or order total is larger than can be counted.
    #[error("the total is too large")]
    TotalTooLarge,
    /// The total is not what the client showed.
    #[error("the total has changed")]
    TotalChanged {
        /// What it is now.
        current_total: Money,
    },
    /// The cart already became an order.
    #[error("this cart was already ordered")]
    CartOrdered {
        /// The order.
        order: String,
    },
    /// The order is past the point where that can be done.
    #[error("the order is {order_status}; that can no longer be done")]
    NotAllowed {
        /// Where it stands.
        order_status: String,
        /// What can be done.
        allowed_actions: Vec<String>,
    },
    /// The order was cancelled while it was being placed.
    #[error("the order was cancelled")]
    OrderCancelled,
    /// Another supplier's, or a change that only staff may make.
    #[error("only staff may do that")]
    StaffOnly,
    /// The key came before with another request.
    #[error("this Idempotency-Key was used for another request; make a new one")]
    IdempotencyKeyReused,
    /// A file cannot be read as a product file.
    #[error("line {line}: {reason}")]
    UnreadableFile {
        /// Where.
        line: u64,
        /// Why, and what to do.
        reason: String,
    },
    /// Inventory refused.
    #[error(transparent)]
    #[serde(untagged)]
    Inventory(#[from] InventoryError),
    /// Wallet refused.
    #[error(transparent)]
    #[serde(untagged)]
    Wallet(#[from] WalletError),
    /// The machinery failed.
    #[error(transparent)]
    #[serde(untagged)]
    Outage(#[from] Outage),
}

impl Fault for ShopError {
    fn status(&self) -> StatusCode {
        match self {
            ShopError::NotFound => StatusCode::NOT_FOUND,
            ShopError::SkuTaken { .. }
            | ShopError::SlugTaken { .. }
            | ShopError::CategoryInUse
            | ShopError::TotalChanged { .. }
            | ShopError::CartOrdered { .. }
            | ShopError::NotAllowed { .. }
            | ShopError::OrderCancelled => StatusCode::CONFLICT,
            ShopError::StaleVersion { .. } => StatusCode::PRECONDITION_FAILED,
            ShopError::StaffOnly => StatusCode::FORBIDDEN,
            ShopError::UnknownSku { .. }
            | ShopError::UnknownCategory { .. }
            | ShopError::CategoryCycle
            | ShopError::Empty
            | ShopError::TooManyLines { .. }
            | ShopError::MixedCurrencies { .. }
            | ShopError::TotalTooLarge
            | ShopError::IdempotencyKeyReused
            | ShopError::UnreadableFile { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            ShopError::Inventory(error) => error.status(),
            ShopError::Wallet(error) => error.status(),
            ShopError::Outage(outage) => outage.status(),
        }
    }

    fn outage(&self) -> Option<Outage> {
        match self {
            ShopError::Inventory(error) => error.outage(),
            ShopError::Wallet(error) => error.outage(),
            ShopError::Outage(outage) => Some(*outage),
            _ => None,
        }
    }
}
