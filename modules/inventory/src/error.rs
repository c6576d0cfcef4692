//! How work on the stock database ends.

use emporium_database::Failure;
use emporium_inventory_api::InventoryError;

/// The result of a query or of a rule over queries.
pub(crate) type Done<T> = Result<T, Failure<InventoryError>>;
