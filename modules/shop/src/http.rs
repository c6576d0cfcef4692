//! The shop's public routes.

mod carts;
mod categories;
mod orders;
mod personal;
mod products;

use emporium_kernel::Routes;

/// The public routes.
pub fn routes() -> Routes {
    products::routes().and(categories::routes()).and(carts::routes()).and(orders::routes()).and(personal::routes())
}
