//! The lines of a cart: at most one for each SKU.

use emporium_database::prelude::*;
use emporium_database::{Db, Failure, refuse};
use emporium_inventory_api::Sku;
use emporium_kernel::{Idempotency, Quantity, id};

use super::{Cart, CartId, Visitor};
use crate::catalogue::Made;
use crate::catalogue::sellable;
use crate::error::Done;
use crate::orders::Line;
use crate::schema::cart_line;
use crate::{Shop, ShopError};

id!(
    /// Names a line of a cart.
    LineId = "cln"
);

/// A line as it is stored: its id, SKU and quantity.
pub(super) type Stored = (String, String, i64);

/// The lines of a cart, in the order in which they were added.
pub(super) fn stored(db: &mut Db, cart: &str) -> Done<Vec<Stored>> {
    Ok(cart_line::table
        .filter(cart_line::cart.eq(cart))
        .select((cart_line::line, cart_line::sku, cart_line::quantity))
        .order((cart_line::position, cart_line::line))
        .load(db)?)
}

/// The lines of a cart as an order takes them.
pub(super) fn of(db: &mut Db, cart: &str) -> Done<Vec<Line>> {
    let line = |(_, sku, quantity): Stored| {
        let quantity = Quantity::new(quantity).ok_or_else(|| Failure::corrupt("quantity"))?;
        Ok(Line { sku: Sku::stored(sku), quantity })
    };
    stored(db, cart)?.into_iter().map(line).collect()
}

/// Refuses more lines than a cart may have, before the database is asked for anything.
pub(super) fn bounded(lines: &[Line], limit: usize) -> Result<(), ShopError> {
    if lines.len() <= limit { Ok(()) } else { Err(ShopError::TooManyLines { limit }) }
}

/// Adds lines; pieces of a SKU that is in the cart are added to its line.
pub(super) fn add_all(db: &mut Db, cart: &str, lines: &[Line], ids: &[LineId], limit: usize) -> Done<()> {
    for (line, id) in lines.iter().zip(ids) {
        add(db, cart, line, id)?;
    }
    let count: i64 = cart_line::table.filter(cart_line::cart.eq(cart)).count().get_result(db)?;
    if usize::try_from(count).is_ok_and(|count| count <= limit) {
        Ok(())
    } else {
        refuse(ShopError::TooManyLines { limit })
    }
}

fn add(db: &mut Db, cart: &str, line: &Line, id: &LineId) -> Done<()> {
    if sellable(db, std::slice::from_ref(&line.sku))?.is_empty() {
        return refuse(ShopError::UnknownSku { sku: line.sku.to_string() });
    }
    let of_sku = cart_line::table.filter(cart_line::cart.eq(cart).and(cart_line::sku.eq(line.sku.as_str())));
    let room = of_sku.filter(cart_line::quantity.le(Quantity::MAX - line.quantity.get()));
    let added =
        diesel::update(room).set(cart_line::quantity.eq(cart_line::quantity + line.quantity.get())).execute(db)?;
    if added == 1 {
        return Ok(());
    }
    let known: i64 = of_sku.count().get_result(db)?;
    if known > 0 {
        return refuse(ShopError::TotalTooLarge);
    }
    let last: Option<i64> =
        cart_line::table.filter(cart_line::cart.eq(cart)).select(diesel::dsl::max(cart_line::position)).first(db)?;
    let row = (
        cart_line::cart.eq(cart),
        cart_line::line.eq(id.as_str()),
        cart_line::sku.eq(line.sku.as_str()),
        cart_line::quantity.eq(line.quantity.get()),
        cart_line::position.eq(last.unwrap_or(0) + 1),
    );
    diesel::insert_into(cart_line::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn remove_all(db: &mut Db, cart: &str) -> Done<()> {
    diesel::delete(cart_line::table.filter(cart_line::cart.eq(cart))).execute(db)?;
    Ok(())
}

impl Shop {
    /// Adds lines to a cart; once for a key, when there is one.
    pub(crate) async fn add_to_cart(
        &self,
        id: CartId,
        visitor: Visitor,
        key: Option<Idempotency>,
        lines: Vec<Line>,
    ) -> Result<Made<Cart>, ShopError> {
        let (ids, limit) = (self.line_ids(lines.len()), self.settings.max_lines);
        self.change_cart(id, visitor, key, move |db, cart| add_all(db, cart, &lines, &ids, limit)).await
    }

    /// Replaces all lines of a cart.
    pub(crate) async fn refill_cart(&self, id: CartId, visitor: Visitor, lines: Vec<Line>) -> Result<Cart, ShopError> {
        let (ids, limit) = (self.line_ids(lines.len()), self.settings.max_lines);
        bounded(&lines, limit)?;
        let refill = move |db: &mut Db, cart: &str| {
            remove_all(db, cart)?;
            add_all(db, cart, &lines, &ids, limit)
        };
        self.change_cart(id, visitor, None, refill).await.map(|made| made.value)
    }

    /// Sets the quantity of a line.
    pub(crate) async fn change_line(
        &self,
        id: CartId,
        visitor: Visitor,
        line: LineId,
        quantity: Quantity,
    ) -> Result<Cart, ShopError> {
        let set = move |db: &mut Db, cart: &str| {
            let line = cart_line::table.find((cart, line.as_str()));
            let changed = diesel::update(line).set(cart_line::quantity.eq(quantity.get())).execute(db)?;
            if changed == 1 { Ok(()) } else { refuse(ShopError::NotFound) }
        };
        self.change_cart(id, visitor, None, set).await.map(|made| made.value)
    }

    /// Removes a line.
    pub(crate) async fn remove_line(&self, id: CartId, visitor: Visitor, line: LineId) -> Result<Cart, ShopError> {
        let remove = move |db: &mut Db, cart: &str| {
            let removed = diesel::delete(cart_line::table.find((cart, line.as_str()))).execute(db)?;
            if removed == 1 { Ok(()) } else { refuse(ShopError::NotFound) }
        };
        self.change_cart(id, visitor, None, remove).await.map(|made| made.value)
    }

    fn line_ids(&self, count: usize) -> Vec<LineId> {
        let now = self.clock.now();
        (0..count).map(|_| LineId::new(now, &self.random)).collect()
    }
}
