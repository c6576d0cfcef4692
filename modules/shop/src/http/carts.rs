//! Carts over HTTP. A guest's cart is reached by the header `X-Cart-Token`.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use emporium_kernel::{
    Answer, Anyone, Confirmed, Describe, Idempotent, Json, Keyed, Operation, Path, PathPair, Problem, Quantity, Routes,
    SignedIn,
};
use schemars::{JsonSchema, SchemaGenerator};
use serde::Deserialize;

use super::orders::{Placed, has_room, placed};
use crate::Shop;
use crate::carts::{Cart, CartId, Checkout, LineId, Visitor};
use crate::orders::Line;

pub(crate) fn routes() -> Routes {
    Routes::new("carts")
        .post("/v1/carts", create, "Makes a cart; a guest gets its token.")
        .get("/v1/carts/{id}", show, "A cart at today's prices.")
        .patch("/v1/carts/{id}", refill, "Replaces all lines.")
        .refuses(&[409])
        .delete("/v1/carts/{id}", remove, "Removes a cart.")
        .refuses(&[409])
        .post("/v1/carts/{id}/claim", claim, "Makes a guest's cart the caller's.")
        .refuses(&[409])
        .post("/v1/carts/{id}/items", add, "Adds a line, or pieces to the line of that SKU.")
        .refuses(&[409])
        .patch("/v1/carts/{id}/items/{line}", change, "Sets the quantity of a line.")
        .refuses(&[409])
        .delete("/v1/carts/{id}/items/{line}", remove_line, "Removes a line.")
        .refuses(&[409])
        .post("/v1/carts/{id}/checkout", checkout, "Places an order for what is in the cart.")
        .only_while(has_room)
}

/// The token of a guest's cart.
#[derive(Debug)]
struct CartToken(Option<String>);

impl FromRequest for CartToken {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let token = request.headers().get("X-Cart-Token").and_then(|value| value.to_str().ok());
        ready(Ok(Self(token.map(str::to_owned))))
    }
}

impl Describe for CartToken {
    fn describe(operation: &mut Operation, _: &mut SchemaGenerator) {
        operation.header("X-Cart-Token", false, "Opens a guest's cart.");
    }
}

/// The lines of a cart.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Lines {
    /// What; the same SKU twice is summed.
    #[serde(default)]
    items: Vec<Line>,
}

/// A line's new quantity.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Pieces {
    /// How many.
    quantity: Quantity,
}

type Served<T = Cart> = Result<Answer<T>, Problem>;

fn visitor(who: &Anyone, token: &CartToken) -> Visitor {
    Visitor::new(who.caller.as_deref(), token.0.as_deref())
}

fn served(cart: Cart) -> Answer<Cart> {
    let version = cart.version;
    Answer::new(cart).version(version)
}

async fn create(who: Anyone, shop: web::Data<Shop>, lines: Keyed<Lines>) -> Result<Answer<Cart, 201>, Problem> {
    let (caller, key) = (who.caller.as_deref(), lines.key(who.caller.as_deref()));
    let made = shop.create_cart(caller, key, lines.body.items).await?;
    let location = format!("/v1/carts/{}", made.value.id);
    let answer = Answer::new(made.value).at(location);
    Ok(if made.again { answer.replayed() } else { answer })
}

async fn show(who: Anyone, shop: web::Data<Shop>, Path(id): Path<CartId>, token: CartToken) -> Served {
    Ok(served(shop.cart(id, visitor(&who, &token)).await?))
}

async fn refill(
    who: Anyone,
    shop: web::Data<Shop>,
    Path(id): Path<CartId>,
    token: CartToken,
    Json(lines): Json<Lines>,
) -> Served {
    Ok(served(shop.refill_cart(id, visitor(&who, &token), lines.items).await?))
}

async fn remove(
    who: Anyone,
    shop: web::Data<Shop>,
    Path(id): Path<CartId>,
    token: CartToken,
) -> Result<Answer<(), 204>, Problem> {
    shop.remove_cart(id, visitor(&who, &token)).await?;
    Ok(Answer::new(()))
}

async fn claim(who: SignedIn, shop: web::Data<Shop>, Path(id): Path<CartId>, token: CartToken) -> Served {
    let visitor = Visitor::new(Some(&who.caller), token.0.as_deref());
    Ok(served(shop.claim_cart(id, visitor, who.caller.id.clone()).await?))
}

async fn add(
    who: Anyone,
    shop: web::Data<Shop>,
    Path(id): Path<CartId>,
    token: CartToken,
    line: Keyed<Line>,
) -> Served {
    let key = line.key(who.caller.as_deref());
    let made = shop.add_to_cart(id, visitor(&who, &token), key, vec![line.body]).await?;
    let answer = served(made.value);
    Ok(if made.again { answer.replayed() } else { answer })
}

async fn change(
    who: Anyone,
    shop: web::Data<Shop>,
    PathPair(id, line): PathPair<CartId, LineId>,
    token: CartToken,
    Json(pieces): Json<Pieces>,
) -> Served {
    Ok(served(shop.change_line(id, visitor(&who, &token), line, pieces.quantity).await?))
}

async fn remove_line(
    who: Anyone,
    shop: web::Data<Shop>,
    PathPair(id, line): PathPair<CartId, LineId>,
    token: CartToken,
) -> Served {
    Ok(served(shop.remove_line(id, visitor(&who, &token), line).await?))
}

async fn checkout(
    who: Confirmed,
    shop: web::Data<Shop>,
    Path(id): Path<CartId>,
    CartToken(token): CartToken,
    request: Idempotent<Checkout>,
) -> Placed {
    let key = request.key(&who.caller);
    placed(shop.into_inner().checkout(&who.caller, key, &id, token, request.body).await?)
}
