//! Stock in a folder of its own, with a clock that moves by hand.
#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses its own part of this")]
#![expect(clippy::expect_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::{Method, header};
use actix_web::{App, HttpResponse, test, web};
use emporium_database::Url;
use emporium_inventory::{Settings, Stock, main_location, routes};
use emporium_inventory_api::{
    Adjust, AdjustRow, AskAvailability, AskLevels, Change, Inventory, InventoryError, Level, LocationId, OfReservation,
    Register, Registration, Reservation, ReservationId, ReservationState, Reserve, ReserveLine, Sku,
};
use emporium_kernel::{
    Authenticator, Call, Caller, Clock, Freshness, ManualClock, Quantity, Random, Role, Timestamp, Unauthenticated,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

pub const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
pub const QUARTER_HOUR: Duration = Duration::from_secs(15 * 60);

pub struct House {
    pub folder: tempfile::TempDir,
    pub stock: Arc<Stock>,
    pub clock: Clock,
    pub hand: ManualClock,
}

/// The clock of a test jumps whenever it moves.
pub fn settings() -> Settings {
    Settings { clock_jump_secs: 0, ..Settings::default() }
}

impl House {
    pub fn new() -> Self {
        Self::with(settings())
    }

    pub fn with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = url(&folder);
        Self::open(folder, &file, settings)
    }

    /// A house whose stock is in this database.
    pub fn at(url: &Url) -> Self {
        Self::open(tempfile::tempdir().expect("a folder"), url, settings())
    }

    fn open(folder: tempfile::TempDir, url: &Url, settings: Settings) -> Self {
        let (clock, hand) = Clock::manual(NOW);
        let stock = Stock::open(url, settings, clock.clone(), Random::seeded(7)).expect("opens");
        Self { folder, stock, clock, hand }
    }

    /// Stops and starts again, letting `between` work on the file meanwhile.
    pub fn reopened(self, between: impl FnOnce(&std::path::Path)) -> Self {
        let Self { folder, stock, clock, hand } = self;
        stock.database().close();
        drop(stock);
        between(url(&folder).path().expect("a file"));
        let stock = Stock::open(&url(&folder), settings(), clock.clone(), Random::seeded(8)).expect("opens again");
        Self { folder, stock, clock, hand }
    }

    pub async fn register(&self, skus: &[&str]) {
        self.register_of(skus, None).await;
    }

    pub async fn register_of(&self, skus: &[&str], supplier: Option<&str>) {
        let registration = |name: &&str| Registration {
            sku: sku(name),
            title: name.to_string(),
            supplier: supplier.map(str::to_owned),
        };
        let ask = Register { skus: skus.iter().map(registration).collect() };
        self.stock.register(&call(), ask).await.expect("registers");
    }

    /// Registers a SKU and puts pieces of it on the shelf.
    pub async fn fill(&self, name: &str, pieces: i64) {
        self.register(&[name]).await;
        self.receive(name, None, pieces).await;
    }

    pub async fn receive(&self, name: &str, location: Option<&LocationId>, pieces: i64) {
        let id = format!("receive {name} {location:?} {pieces}");
        let row = AdjustRow { location: location.cloned(), ..row(name, Change::Delta(pieces)) };
        self.adjust(&id, vec![row]).await.expect("receives");
    }

    pub async fn adjust(&self, id: &str, rows: Vec<AdjustRow>) -> Result<Vec<Level>, InventoryError> {
        self.stock.adjust(&call(), Adjust { id: id.to_owned(), actor: "usr_1".to_owned(), rows }).await
    }

    pub async fn reserve(&self, id: &str, lines: &[(&str, i64)]) -> Result<ReservationState, InventoryError> {
        self.stock.reserve(&call(), wanted(id, lines)).await.map(|reservation| reservation.state)
    }

    pub async fn commit(&self, id: &str) -> Result<ReservationState, InventoryError> {
        self.stock.commit(&call(), of(id)).await.map(|reservation| reservation.state)
    }

    pub async fn release(&self, id: &str) -> ReservationState {
        let released: Reservation = self.stock.release(&call(), of(id)).await.expect("release is never refused");
        released.state
    }

    /// On hand and reserved, over all locations.
    pub async fn quantities(&self, name: &str) -> (i64, i64) {
        let levels = self.stock.levels(&call(), AskLevels { skus: vec![sku(name)] }).await.expect("reads");
        levels.iter().fold((0, 0), |sum, level| (sum.0 + level.on_hand, sum.1 + level.reserved))
    }

    pub async fn available(&self, name: &str) -> i64 {
        let ask = AskAvailability { skus: vec![sku(name)] };
        self.stock.availability(&call(), ask).await.expect("reads")[0].available
    }

    pub async fn assert_clean(&self) {
        let audit = self.stock.verify(&call(), ()).await.expect("verifies");
        assert!(audit.is_clean(), "{audit:#?}");
    }

    /// Adds a location, with a larger id than those before.
    pub async fn location(&self, name: &str) -> LocationId {
        self.hand.advance(Duration::from_millis(1));
        let reply = self.send(Method::POST, "/v1/admin/locations", "staff", None, json!({ "name": name })).await;
        assert_eq!(reply.status, 201, "{:?}", reply.body);
        LocationId::parse(reply.body["id"].as_str().expect("an id")).expect("well formed")
    }

    pub async fn get(&self, path: &str, token: &str) -> Reply {
        self.send(Method::GET, path, token, None, Value::Null).await
    }

    pub async fn response(
        &self,
        method: Method,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> HttpResponse {
        let authenticator: Arc<dyn Authenticator> = Arc::new(Tokens);
        let app = App::new()
            .app_data(web::Data::from(self.stock.clone()))
            .app_data(web::Data::from(authenticator))
            .configure(|app| routes().mount(app));
        let app = test::init_service(app).await;
        let mut request = test::TestRequest::with_uri(path).method(method);
        if !token.is_empty() {
            request = request.insert_header((header::AUTHORIZATION, format!("Bearer {token}")));
        }
        for header in headers {
            request = request.append_header(*header);
        }
        if !body.is_null() {
            request = request.set_json(body);
        }
        test::call_service(&app, request.to_request()).await.into_parts().1
    }

    pub async fn send(&self, method: Method, path: &str, token: &str, key: Option<&str>, body: Value) -> Reply {
        let headers: Vec<(&str, &str)> = key.iter().map(|key| ("Idempotency-Key", *key)).collect();
        let response = self.response(method, path, token, &headers, body).await;
        let replayed = response.headers().contains_key("idempotent-replayed");
        let status = response.status().as_u16();
        let bytes = actix_web::body::to_bytes(response.into_body()).await.expect("a body");
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).expect("JSON") };
        Reply { status, replayed, body }
    }

    pub async fn post(&self, path: &str, token: &str, key: &str, body: Value) -> Reply {
        self.send(Method::POST, path, token, Some(key), body).await
    }
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub replayed: bool,
    pub body: Value,
}

impl Reply {
    /// Status and code of a refusal.
    pub fn refusal(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or("none"))
    }

    pub fn data(&self) -> &Vec<Value> {
        self.body["data"].as_array().expect("data")
    }
}

struct Tokens;

impl Authenticator for Tokens {
    fn authenticate(&self, token: String, _: Freshness) -> BoxFuture<'_, Result<Arc<Caller>, Unauthenticated>> {
        let role = match token.as_str() {
            "staff" => Role::Staff,
            "supplier" | "rival" => Role::Supplier,
            "customer" => Role::Customer,
            _ => return async { Err(Unauthenticated::Refused) }.boxed(),
        };
        let caller =
            Caller { id: format!("usr_{token}"), roles: BTreeSet::from([role]), session: "s".to_owned(), scopes: None };
        async { Ok(Arc::new(caller)) }.boxed()
    }
}

pub fn url(folder: &tempfile::TempDir) -> Url {
    Url::file(folder.path().join("inventory.db"))
}

pub fn call() -> Call {
    Call::internal("test")
}

pub fn sku(name: &str) -> Sku {
    Sku::parse(name).expect("a SKU")
}

pub fn reservation(name: &str) -> ReservationId {
    ReservationId::derived(&[name])
}

pub fn of(id: &str) -> OfReservation {
    OfReservation { id: reservation(id) }
}

/// The order is named like the reservation.
pub fn wanted(id: &str, lines: &[(&str, i64)]) -> Reserve {
    let line = |(name, pieces): &(&str, i64)| ReserveLine {
        sku: sku(name),
        quantity: Quantity::new(*pieces).expect("a quantity"),
    };
    Reserve { id: reservation(id), order: id.to_owned(), lines: lines.iter().map(line).collect(), expires_in_secs: 900 }
}

pub fn row(name: &str, change: Change) -> AdjustRow {
    AdjustRow { sku: sku(name), location: None, change, reason: "test".to_owned(), expected_on_hand: None }
}

pub fn main_id() -> String {
    main_location().to_string()
}

pub fn short(name: &str, requested: i64, available: i64) -> emporium_inventory_api::Shortage {
    emporium_inventory_api::Shortage { sku: sku(name), requested, available }
}
