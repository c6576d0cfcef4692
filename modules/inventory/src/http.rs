//! The public routes of stock.

mod batch;
mod live;
mod locations;
mod reservations;
mod stock;
mod transfers;

use emporium_kernel::Routes;

/// Every public route of this module.
pub fn routes() -> Routes {
    let routes = Routes::new("inventory")
        .post("/v1/availability", stock::availability, "How much of each SKU can be bought.")
        .get("/v1/admin/stock", stock::list, "Stock by SKU and location.")
        .delete("/v1/admin/stock", stock::remove, "Removes a row with nothing on hand and nothing reserved.")
        .refuses(&[404, 409])
        .post("/v1/admin/stock/adjustments", stock::adjust, "Changes stock on hand, all rows or none.")
        .refuses(&[404])
        .get("/v1/admin/stock/movements", stock::movements, "What changed stock, newest first.")
        .get("/v1/admin/stock/low", stock::low, "SKUs of which no more than their threshold is available.")
        .patch("/v1/admin/stock/thresholds", stock::set_threshold, "Sets or clears when a SKU counts as low.")
        .refuses(&[404])
        .get("/v1/admin/stock/stream", live::stream, "Changes of stock as server-sent events.")
        .post("/v1/admin/stock/transfers", transfers::transfer, "Moves available stock to another location.")
        .refuses(&[404]);
    routes
        .get("/v1/admin/locations", locations::list, "Places where stock is kept.")
        .post("/v1/admin/locations", locations::create, "Adds a location.")
        .refuses(&[409])
        .patch("/v1/admin/locations/{id}", locations::rename, "Renames a location.")
        .refuses(&[409])
        .delete(
            "/v1/admin/locations/{id}",
            locations::remove,
            "Removes an empty location; its empty levels go within minutes.",
        )
        .refuses(&[409])
        .get("/v1/admin/reservations", reservations::list, "Reservations, newest first.")
}
