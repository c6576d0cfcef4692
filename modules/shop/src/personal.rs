//! What the shop and its neighbours know of a user: told to the user piece by piece, and forgotten when auth says so.

use std::sync::Arc;

use actix_web::web::Bytes;
use emporium_auth_api::{AskPersonal, USER_ERASED, UserId};
use emporium_database::{Db, feed};
use emporium_kernel::{After, Call, Cursor, Event, Fault, Limit, Outage};
use futures_util::Stream;
use serde::Serialize;
use serde_json::Value;

use crate::error::Done;
use crate::orders::OrderFilter;
use crate::{Shop, ShopError, carts};

/// What is told next.
enum Part {
    Orders(Option<Cursor<(i64, String)>>),
    Wallet(Option<String>),
    Carts,
    Over,
}

/// An export that is being told.
struct Telling {
    shop: Arc<Shop>,
    user: String,
    part: Part,
    /// Whether the list that is being told has a row.
    begun: bool,
}

fn unreachable(fault: &impl Fault) -> ShopError {
    fault.outage().unwrap_or(Outage::Internal).into()
}

impl Shop {
    /// What is known of a user, as one JSON object in pieces: orders and transactions a page at a time; of sessions, keys
    /// and login places the newest thousand, of carts those changed last.
    pub(crate) async fn personal(
        self: Arc<Self>,
        call: &Call,
        user: UserId,
    ) -> Result<impl Stream<Item = Result<Bytes, ShopError>> + use<>, ShopError> {
        let ask = AskPersonal { user: user.clone() };
        let known = self.users.personal(call, ask).await.map_err(|error| unreachable(&error))?;
        let begin = format!("{{\"auth\":{},\"orders\":[", text(&known.data)?);
        let telling = Telling { shop: self, user: user.to_string(), part: Part::Orders(None), begun: false };
        let first = futures_util::stream::iter([Ok(Bytes::from(begin))]);
        Ok(futures_util::StreamExt::chain(first, futures_util::stream::unfold(telling, Telling::next)))
    }

    /// Forgets the carts of those whom auth has erased. Orders keep the id, which names nobody any more.
    pub async fn forget_erased(&self) -> Result<(), ShopError> {
        let call = Call::internal("erased_users");
        let pull = async |after: After| self.users.events(&call, after).await.map_err(|error| unreachable(&error));
        feed::follow(&self.database, "auth", pull, forget).await
    }
}

fn forget(db: &mut Db, event: &Event) -> Done<()> {
    if event.topic == USER_ERASED { carts::remove_of(db, &event.subject) } else { Ok(()) }
}

fn text(value: &impl Serialize) -> Result<String, ShopError> {
    serde_json::to_string(value).map_err(|_| Outage::Internal.into())
}

impl Telling {
    /// The next piece; one that cannot be had ends it all, so that nobody takes a part for the whole.
    async fn next(mut self) -> Option<(Result<Bytes, ShopError>, Self)> {
        let piece = match std::mem::replace(&mut self.part, Part::Over) {
            Part::Orders(after) => self.orders(after).await,
            Part::Wallet(after) => self.wallet(after).await,
            Part::Carts => self.carts().await,
            Part::Over => return None,
        };
        Some((piece.map(Bytes::from), self))
    }

    fn rows<T: Serialize>(&mut self, rows: &[T]) -> Result<String, ShopError> {
        let mut told = String::new();
        for row in rows {
            if std::mem::replace(&mut self.begun, true) {
                told.push(',');
            }
            told.push_str(&text(row)?);
        }
        Ok(told)
    }

    /// Ends the list that is being told and begins another.
    fn then(&mut self, mut told: String, between: &str, part: Part) -> String {
        told.push_str(between);
        (self.begun, self.part) = (false, part);
        told
    }

    async fn orders(&mut self, after: Option<Cursor<(i64, String)>>) -> Result<String, ShopError> {
        let limit = Limit::LARGEST;
        let filter = OrderFilter { customer: Some(self.user.clone()), limit, after, ..OrderFilter::default() };
        let page = self.shop.orders(filter).await?;
        let told = self.rows(&page.data)?;
        let Some(next) = page.next_cursor else { return Ok(self.then(told, "],\"wallet\":{", Part::Wallet(None))) };
        let next = serde_json::from_value(Value::String(next)).map_err(|_| Outage::Internal)?;
        self.part = Part::Orders(Some(next));
        Ok(told)
    }

    async fn wallet(&mut self, after: Option<String>) -> Result<String, ShopError> {
        let (first, user) = (after.is_none(), self.user.clone());
        let ask = emporium_wallet_api::AskPersonal { user, after };
        let known = self.shop.wallet.personal(&Call::internal("personal_data"), ask).await;
        let known = known.map_err(|error| unreachable(&error))?;
        let mut told = String::new();
        if first {
            let (balances, deposits) = (text(&known.balances)?, text(&known.deposits)?);
            let withdrawals = text(&known.withdrawals)?;
            told.push_str(&format!(
                "\"balances\":{balances},\"deposits\":{deposits},\"withdrawals\":{withdrawals},\"transactions\":["
            ));
        }
        told.push_str(&self.rows(&known.transactions)?);
        if known.next.is_none() {
            return Ok(self.then(told, "]},\"carts\":[", Part::Carts));
        }
        self.part = Part::Wallet(known.next);
        Ok(told)
    }

    async fn carts(&mut self) -> Result<String, ShopError> {
        let user = self.user.clone();
        let carts = self.shop.database.read(move |db| carts::of_owner(db, &user)).await?;
        let told = self.rows(&carts)?;
        Ok(self.then(told, "]}", Part::Over))
    }
}
