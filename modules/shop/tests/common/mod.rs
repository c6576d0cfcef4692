//! A shop on a database of its own, with neighbours made by hand and callers known by their tokens.
#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses its own part of this")]
#![allow(clippy::expect_used, reason = "a test stops where it cannot go on")]

pub mod drafts;
pub mod inventory;
pub mod users;
pub mod wallet;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use actix_web::http::header::HeaderMap;
use actix_web::{App, test, web};
use emporium_auth_api::UserId;
use emporium_database::Url;
use emporium_kernel::{Authenticator, Caller, Clock, Freshness, ManualClock, Random, Role, Timestamp, Unauthenticated};
use emporium_shop::{Settings, Shop};
use futures_util::future::{BoxFuture, FutureExt, LocalBoxFuture};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

pub use inventory::FakeInventory;
pub use users::FakeUsers;
pub use wallet::FakeWallet;

/// A shop with everything around it.
pub struct World {
    pub shop: Arc<Shop>,
    pub users: Arc<FakeUsers>,
    pub inventory: Arc<FakeInventory>,
    pub wallet: Arc<FakeWallet>,
    pub clock: Clock,
    pub hand: ManualClock,
    pub random: Random,
    settings: Settings,
    url: Url,
    folder: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        Self::with(Settings::default())
    }

    pub fn with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = Url::file(folder.path().join("shop.db"));
        Self::open(folder, url, settings)
    }

    /// A shop whose database is there.
    pub fn at(url: Url, settings: Settings) -> Self {
        Self::open(tempfile::tempdir().expect("a folder"), url, settings)
    }

    fn open(folder: tempfile::TempDir, url: Url, settings: Settings) -> Self {
        let start = Timestamp::parse("2026-01-31T08:00:00Z").expect("an instant");
        let (clock, hand) = Clock::manual(start);
        let random = Random::seeded(7);
        let (inventory, wallet) = (Arc::new(FakeInventory::default()), Arc::new(FakeWallet::default()));
        let users = Arc::new(FakeUsers::default());
        let shop = open(&url, &settings, &users, &inventory, &wallet, &clock, &random);
        Self { shop, users, inventory, wallet, clock, hand, random, settings, url, folder }
    }

    /// The process ends and starts again: nothing is left but the database and the neighbours.
    pub fn restarted(self) -> Self {
        let settings = self.settings.clone();
        self.restarted_with(settings)
    }

    /// The same, with other settings.
    pub fn restarted_with(self, settings: Settings) -> Self {
        let Self { shop, users, inventory, wallet, clock, hand, random, settings: _, url, folder } = self;
        shop.database().close();
        drop(shop);
        let shop = open(&url, &settings, &users, &inventory, &wallet, &clock, &random);
        Self { shop, users, inventory, wallet, clock, hand, random, settings, url, folder }
    }

    /// A catalogue of active products, each with one SKU of 10 pieces: `[("MUG", 1_000)]` is SKU and price in cents.
    pub async fn selling(&self, skus: &[(&str, i64)]) {
        let app = self.app().await;
        for (sku, cents) in skus {
            post("/v1/admin/products").by("staff").json(&product(sku, sku, *cents)).to(&app).await.expect(201);
            self.inventory.stock(sku, 10);
        }
    }

    /// The shop's routes, ready to be asked.
    pub async fn app(&self) -> Api {
        let authenticator: Arc<dyn Authenticator> = Arc::new(Tokens);
        let app = App::new()
            .app_data(web::Data::from(self.shop.clone()))
            .app_data(web::Data::from(authenticator))
            .configure(|app| emporium_shop::routes().mount(app));
        let service = Rc::new(test::init_service(app).await);
        Api(Rc::new(move |ask: test::TestRequest| {
            let service = service.clone();
            async move { Reply::of(test::call_service(&*service, ask.to_request()).await).await }.boxed_local()
        }))
    }
}

/// The shop's HTTP interface, without a network.
#[derive(Clone)]
pub struct Api(Rc<dyn Fn(test::TestRequest) -> LocalBoxFuture<'static, Reply>>);

impl Api {
    /// Every page of a list, as staff see it; `path` ends where its query goes on.
    pub async fn pages(&self, path: &str) -> Vec<Reply> {
        let (mut pages, mut after) = (Vec::new(), String::new());
        loop {
            let page = get(&format!("{path}&limit=100{after}")).by("staff").to(self).await.expect(200);
            let next = page.body["next_cursor"].as_str().map(|cursor| format!("&after={cursor}"));
            pages.push(page);
            match next {
                Some(next) => after = next,
                None => return pages,
            }
        }
    }
}

fn open(
    url: &Url,
    settings: &Settings,
    users: &Arc<FakeUsers>,
    inventory: &Arc<FakeInventory>,
    wallet: &Arc<FakeWallet>,
    clock: &Clock,
    random: &Random,
) -> Arc<Shop> {
    Shop::open(url, settings.clone(), users.clone(), inventory.clone(), wallet.clone(), clock.clone(), random.clone())
        .expect("opens")
}

/// Knows tokens of the form `role` or `role-name`: `staff`, `admin`, `supplier-ana`, `customer-bob`.
pub struct Tokens;

impl Authenticator for Tokens {
    fn authenticate(&self, token: String, _: Freshness) -> BoxFuture<'_, Result<Arc<Caller>, Unauthenticated>> {
        let role = Role::parse(token.split('-').next().unwrap_or_default());
        let caller = role.map(|role| {
            let (id, session) = (user(&token), "ses_test".to_owned());
            Arc::new(Caller { id, roles: BTreeSet::from([role]), session, scopes: None })
        });
        std::future::ready(caller.ok_or(Unauthenticated::Refused)).boxed()
    }
}

/// An active product with one SKU, as staff send it.
pub fn product(title: &str, sku: &str, cents: i64) -> Value {
    let price = json!({"amount": cents, "currency": "USD"});
    json!({"title": title, "status": "active", "skus": [{"sku": sku, "price": price}]})
}

/// The id of the user that a token stands for.
pub fn user(token: &str) -> String {
    UserId::derived(&[token]).to_string()
}

/// A request being made.
pub struct Ask(test::TestRequest);

pub fn get(path: &str) -> Ask {
    Ask(test::TestRequest::get().uri(path))
}

pub fn post(path: &str) -> Ask {
    Ask(test::TestRequest::post().uri(path))
}

pub fn patch(path: &str) -> Ask {
    Ask(test::TestRequest::patch().uri(path))
}

pub fn delete(path: &str) -> Ask {
    Ask(test::TestRequest::delete().uri(path))
}

impl Ask {
    /// Sent by the user of this token.
    pub fn by(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn header(self, name: &'static str, value: &str) -> Self {
        Self(self.0.insert_header((name, value)))
    }

    pub fn json(self, body: &Value) -> Self {
        Self(self.0.set_json(body))
    }

    /// Sent; the answer as it came.
    pub async fn to(self, app: &Api) -> Reply {
        (app.0)(self.0).await
    }
}

/// What was answered.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Reply {
    async fn of(response: actix_web::dev::ServiceResponse) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = test::read_body(response).await;
        Self { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
    }

    /// The same, after checking its status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The text at `pointer`, as in `/data/0/id`; empty when there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The code of a problem.
    pub fn code(&self) -> &str {
        self.text("/code")
    }

    /// One member of each row of a list.
    pub fn column(&self, name: &str) -> Vec<&str> {
        let rows = self.body["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        rows.iter().map(|row| row[name].as_str().unwrap_or_default()).collect()
    }
}

/// How a call to a neighbour goes wrong.
#[derive(Clone, Debug)]
pub enum Mishap<E> {
    /// It never arrives; the caller learns only that nobody answered.
    Lost,
    /// It is carried out and the answer is lost.
    Unanswered,
    /// It is refused, and nothing remembers that.
    Refused(E),
}

/// What was asked of a fake, what will go wrong, and which calls have to wait.
#[derive(Debug)]
pub struct Script<E> {
    calls: Mutex<Vec<String>>,
    mishaps: Mutex<HashMap<&'static str, VecDeque<Mishap<E>>>>,
    gates: Mutex<HashMap<&'static str, Arc<Semaphore>>>,
}

impl<E> Default for Script<E> {
    fn default() -> Self {
        Self { calls: Mutex::default(), mishaps: Mutex::default(), gates: Mutex::default() }
    }
}

impl<E: From<emporium_kernel::Outage>> Script<E> {
    /// The next call of `method` for which nothing is planned yet goes wrong like this.
    pub fn plan(&self, method: &'static str, mishap: Mishap<E>) {
        self.mishaps.lock().expect("plan").entry(method).or_default().push_back(mishap);
    }

    /// From now on each call of `method` waits for a permit of the semaphore, which has none.
    pub fn gate(&self, method: &'static str) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        self.gates.lock().expect("gates").insert(method, gate.clone());
        gate
    }

    /// The methods called so far, in order.
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().expect("calls").clone()
    }

    /// How often `method` was called.
    pub fn count(&self, method: &str) -> usize {
        self.calls().iter().filter(|call| *call == method).count()
    }

    /// Carries out `effect` as `method`, unless something was planned.
    pub async fn run<T>(&self, method: &'static str, effect: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.calls.lock().expect("calls").push(method.to_owned());
        let gate = self.gates.lock().expect("gates").get(method).cloned();
        if let Some(gate) = gate {
            gate.acquire().await.expect("the gate is open or shut").forget();
        }
        let mishap = self.mishaps.lock().expect("plan").get_mut(method).and_then(VecDeque::pop_front);
        match mishap {
            None => effect(),
            Some(Mishap::Lost) => Err(emporium_kernel::Outage::Unreachable.into()),
            Some(Mishap::Unanswered) => {
                let _ = effect();
                Err(emporium_kernel::Outage::Unreachable.into())
            }
            Some(Mishap::Refused(error)) => Err(error),
        }
    }
}
