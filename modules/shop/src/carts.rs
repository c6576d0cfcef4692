//! Carts: lines that may become an order. A guest's cart is reached by its token, a user's by its owner; a guest's
//! becomes the user's when it is claimed, or with the first change after the login.

mod lines;
mod view;

use std::sync::Arc;

use diesel::dsl::{exists, not};
use emporium_database::idempotency::{self, Turn};
use emporium_database::prelude::*;
use emporium_database::{Db, refuse};
use emporium_kernel::{Caller, Idempotency, Timestamp, id};
use sha2::{Digest, Sha256};

use crate::catalogue::Made;
use crate::error::Done;
use crate::orders::{Line, Payment, Placement};
use crate::schema::{cart, orders};
use crate::{Shop, ShopError};

pub use lines::LineId;
pub use view::Cart;

id!(
    /// Names a cart.
    CartId = "crt"
);

/// A cart as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable)]
#[diesel(table_name = cart)]
struct CartRow {
    id: String,
    owner: Option<String>,
    token_hash: Option<String>,
    version: i64,
    created_at: i64,
    updated_at: i64,
}

/// Who asks for a cart: its owner, or a guest with its token.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    user: Option<String>,
    token_hash: Option<String>,
}

impl Visitor {
    pub(crate) fn new(caller: Option<&Caller>, token: Option<&str>) -> Self {
        Self { user: caller.map(|caller| caller.id.clone()), token_hash: token.map(hash) }
    }

    fn may_see(&self, row: &CartRow) -> bool {
        let owns = row.owner.is_some() && row.owner == self.user;
        let holds = row.token_hash.is_some() && row.token_hash == self.token_hash;
        owns || holds
    }
}

/// Only the hash of a token is stored. A token is 256 random bits, so one round suffices.
fn hash(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The cart, when the visitor may see it; a foreign one is as if it were not there.
fn reach(db: &mut Db, id: &str, visitor: &Visitor) -> Done<CartRow> {
    let row: Option<CartRow> = cart::table.find(id).first(db).optional()?;
    row.filter(|row| visitor.may_see(row)).map_or_else(|| refuse(ShopError::NotFound), Ok)
}

/// The cart, when the visitor may change it: one that became an order stays as it is. Until this transaction ends,
/// nobody else changes it.
fn reach_open(db: &mut Db, id: &str, visitor: &Visitor) -> Done<CartRow> {
    diesel::update(cart::table.find(id)).set(cart::version.eq(cart::version)).execute(db)?;
    let row = reach(db, id, visitor)?;
    let order: Option<String> =
        orders::table.filter(orders::live_cart.eq(id)).select(orders::id).first(db).optional()?;
    order.map_or(Ok(row), |order| refuse(ShopError::CartOrdered { order }))
}

/// Notes that a cart was changed.
fn touch(db: &mut Db, id: &str, now: Timestamp) -> Done<()> {
    let set = (cart::version.eq(cart::version + 1), cart::updated_at.eq(now.micros()));
    diesel::update(cart::table.find(id)).set(set).execute(db)?;
    Ok(())
}

/// Makes a guest's cart the user's. One that is the user's already stays as it is.
fn claim(db: &mut Db, row: &CartRow, user: &str, now: Timestamp) -> Done<()> {
    let guests = cart::table.find(&row.id).filter(cart::owner.is_null());
    let set = (cart::owner.eq(user), cart::token_hash.eq(None::<String>));
    if diesel::update(guests).set(set).execute(db)? == 1 {
        touch(db, &row.id, now)?;
    }
    Ok(())
}

/// The lines of a cart that becomes the user's order; a guest's cart is claimed on the way.
pub(crate) fn to_order(db: &mut Db, id: &str, user: &str, token: Option<&str>, now: Timestamp) -> Done<Vec<Line>> {
    let visitor = Visitor { user: Some(user.to_owned()), token_hash: token.map(hash) };
    let row = reach_open(db, id, &visitor)?;
    claim(db, &row, user, now)?;
    lines::of(db, id)
}

/// A user's carts, the last changed first, at most 1,000.
pub(crate) fn of_owner(db: &mut Db, user: &str) -> Done<Vec<Cart>> {
    let rows: Vec<CartRow> =
        cart::table.filter(cart::owner.eq(user)).order(cart::updated_at.desc()).limit(1_000).load(db)?;
    rows.into_iter().map(|row| view::of(db, row)).collect()
}

/// Removes a user's carts, but for what is being ordered.
pub(crate) fn remove_of(db: &mut Db, user: &str) -> Done<()> {
    let all: Vec<String> = cart::table.filter(cart::owner.eq(user)).select(cart::id).load(db)?;
    for id in &all {
        diesel::update(cart::table.find(id)).set(cart::version.eq(cart::version)).execute(db)?;
        let live = orders::step.ne("done").and(orders::live_cart.eq(id));
        let order: Option<String> = orders::table.filter(live).select(orders::id).first(db).optional()?;
        if order.is_none() {
            lines::remove_all(db, id)?;
            diesel::delete(cart::table.find(id)).execute(db)?;
        }
    }
    Ok(())
}

impl Shop {
    /// Makes a cart: the user's, or a guest's with a token that is shown only now.
    pub(crate) async fn create_cart(
        &self,
        caller: Option<&Caller>,
        key: Option<Idempotency>,
        lines: Vec<Line>,
    ) -> Result<Made<Cart>, ShopError> {
        let (now, limit) = (self.clock.now(), self.settings.max_lines);
        lines::bounded(&lines, limit)?;
        let id = CartId::new(now, &self.random);
        let token = caller.is_none().then(|| self.random.token::<32>());
        let row = CartRow {
            id: id.to_string(),
            owner: caller.map(|caller| caller.id.clone()),
            token_hash: token.as_deref().map(hash),
            version: 1,
            created_at: now.micros(),
            updated_at: now.micros(),
        };
        let ids: Vec<LineId> = lines.iter().map(|_| LineId::new(now, &self.random)).collect();
        let cart = self.database.write(move |db| {
            match idempotency::turn(db, key.as_ref(), &row.id, now)? {
                Turn::First => {}
                Turn::Again(made) => return Ok(Made { value: view::again(db, &made)?, again: true }),
                Turn::Reused => return refuse(ShopError::IdempotencyKeyReused),
            }
            if !idempotency::already_applied(db, &row.id, now)? {
                diesel::insert_into(cart::table).values(&row).execute(db)?;
                lines::add_all(db, &row.id, &lines, &ids, limit)?;
            }
            Ok(Made { value: view::of(db, row.clone())?, again: false })
        });
        let Made { value, again } = cart.await?;
        Ok(Made { value: Cart { token, ..value }, again })
    }

    /// A cart with today's prices.
    pub(crate) async fn cart(&self, id: CartId, visitor: Visitor) -> Result<Cart, ShopError> {
        self.database
            .read(move |db| {
                let row = reach(db, id.as_str(), &visitor)?;
                view::of(db, row)
            })
            .await
    }

    /// Makes a guest's cart the caller's.
    pub(crate) async fn claim_cart(&self, id: CartId, visitor: Visitor, user: String) -> Result<Cart, ShopError> {
        let now = self.clock.now();
        self.database
            .write(move |db| {
                let row = reach_open(db, id.as_str(), &visitor)?;
                claim(db, &row, &user, now)?;
                view::again(db, id.as_str())
            })
            .await
    }

    /// Changes a cart with `change` and returns it as it then is; once for a key, when there is one. A guest's cart that
    /// is changed by somebody who has logged in is theirs from then on.
    async fn change_cart(
        &self,
        id: CartId,
        visitor: Visitor,
        key: Option<Idempotency>,
        change: impl Fn(&mut Db, &str) -> Done<()> + Send + 'static,
    ) -> Result<Made<Cart>, ShopError> {
        let (now, command) = (self.clock.now(), self.random.token::<16>());
        self.database
            .write(move |db| {
                if idempotency::was_applied(db, &command)? {
                    return Ok(Made { value: view::again(db, id.as_str())?, again: false });
                }
                let row = reach_open(db, id.as_str(), &visitor)?;
                if let Some(user) = &visitor.user {
                    claim(db, &row, user, now)?;
                }
                let turn = idempotency::turn(db, key.as_ref(), id.as_str(), now)?;
                if turn == Turn::Reused {
                    return refuse(ShopError::IdempotencyKeyReused);
                }
                let again = turn != Turn::First;
                if !again {
                    idempotency::already_applied::<ShopError>(db, &command, now)?;
                    change(db, id.as_str())?;
                    touch(db, id.as_str(), now)?;
                }
                Ok(Made { value: view::again(db, id.as_str())?, again })
            })
            .await
    }

    /// Removes a cart; one that became an order stays.
    pub(crate) async fn remove_cart(&self, id: CartId, visitor: Visitor) -> Result<(), ShopError> {
        let (now, command) = (self.clock.now(), self.random.token::<16>());
        self.database
            .write(move |db| {
                if idempotency::already_applied(db, &command, now)? {
                    return Ok(());
                }
                reach_open(db, id.as_str(), &visitor)?;
                lines::remove_all(db, id.as_str())?;
                diesel::delete(cart::table.find(id.as_str())).execute(db)?;
                Ok(())
            })
            .await
    }

    /// Places an order for what is in a cart. A refused checkout leaves the cart as it is.
    pub(crate) async fn checkout(
        self: &Arc<Self>,
        buyer: &Caller,
        key: Idempotency,
        id: &CartId,
        token: Option<String>,
        checkout: Checkout,
    ) -> Result<Placement, ShopError> {
        let basket = crate::orders::Basket::Cart { id: id.to_string(), token };
        self.place_basket(buyer, key, basket, checkout.expected_total).await
    }

    /// Removes carts that nobody touched for as long as the settings say, at most 200 at once. An order has copies of
    /// everything it needs; only one that is still being placed keeps its cart.
    pub(crate) async fn sweep_carts(&self) -> Result<usize, ShopError> {
        let days = u64::from(self.settings.cart_days);
        let oldest = self.clock.now().minus(std::time::Duration::from_secs(days * 24 * 60 * 60)).micros();
        self.database
            .write_in(emporium_database::Lane::Continuation, move |db| {
                let unfinished = orders::live_cart.eq(cart::id.nullable()).and(orders::step.ne("done"));
                let old: Vec<String> = cart::table
                    .filter(cart::updated_at.lt(oldest).and(not(exists(orders::table.filter(unfinished)))))
                    .select(cart::id)
                    .limit(200)
                    .load(db)?;
                for id in &old {
                    let still = cart::table.find(id).filter(cart::updated_at.lt(oldest));
                    // From here on nobody touches it, and it can become an order no more.
                    let locked = diesel::update(still).set(cart::version.eq(cart::version)).execute(db)? == 1;
                    let unfinished = orders::step.ne("done").and(orders::live_cart.eq(id));
                    let order: Option<String> =
                        orders::table.filter(unfinished).select(orders::id).first(db).optional()?;
                    if !locked || order.is_some() {
                        continue;
                    }
                    lines::remove_all(db, id)?;
                    diesel::delete(cart::table.find(id)).execute(db)?;
                }
                Ok(old.len())
            })
            .await
    }
}

/// How a cart is paid.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Checkout {
    /// How.
    #[expect(dead_code, reason = "there is one method; the field is required so that a second can be told apart")]
    pub payment: Payment,
    /// What the client showed; another total is refused.
    pub expected_total: Option<emporium_kernel::Money>,
}
