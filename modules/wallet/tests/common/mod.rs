//! A ledger in a database of its own, with people who are not kept anywhere.
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::allow_attributes,
    reason = "tests; each file uses its own part of this"
)]

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::body::MessageBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::{App, test, web};
use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use emporium_auth_api::{
    AskPersonal, Auth, AuthError, FindUser, Grant, KeyHash, KeyHolder, KeySet, Personal, User, UserId,
};
use emporium_database::Url;
use emporium_kernel::{
    After, Authenticator, Call, Caller, Clock, Currency, Events, Freshness, ManualClock, Money, Outage, PositiveMoney,
    Random, Role, Timestamp, Unauthenticated,
};
use emporium_wallet::{Ledger, Settings, routes};
use emporium_wallet_api::{Capture, Hold, HoldId, HoldStatus, OfHold, Payee, Share, Wallet, WalletError};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use serde_json::{Value, json};

pub const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

/// Everybody but `nobody` exists; `gone` is disabled; `staff` is staff. The token of each is the name.
#[derive(Default)]
pub struct People {
    pub silent: AtomicBool,
    pub nobody_left: AtomicBool,
}

pub fn id(name: &str) -> UserId {
    UserId::derived(&[name])
}

#[async_trait::async_trait]
impl Auth for People {
    async fn personal(&self, _: &Call, _: AskPersonal) -> Result<Personal, AuthError> {
        Err(AuthError::UnknownUser)
    }

    async fn events(&self, _: &Call, _: After) -> Result<Events, AuthError> {
        Ok(Events::default())
    }

    async fn check_key(&self, _: &Call, _: KeyHash) -> Result<KeyHolder, AuthError> {
        Err(AuthError::UnknownKey)
    }

    async fn keys(&self, _: &Call, (): ()) -> Result<KeySet, AuthError> {
        Ok(KeySet::default())
    }

    async fn is_revoked(&self, _: &Call, _: Grant) -> Result<bool, AuthError> {
        Ok(false)
    }

    async fn find_user(&self, _: &Call, ask: FindUser) -> Result<User, AuthError> {
        if self.silent.load(Ordering::SeqCst) {
            return Err(Outage::Unreachable.into());
        }
        let (id, email) = match ask {
            FindUser::Id(id) => (id, String::new()),
            FindUser::Email(email) => {
                let name = email.as_str().split('@').next().unwrap_or_default().to_owned();
                (UserId::derived(&[&name]), email.to_string())
            }
        };
        if id == UserId::derived(&["nobody"]) || self.nobody_left.load(Ordering::SeqCst) {
            return Err(AuthError::UnknownUser);
        }
        let disabled = id == UserId::derived(&["gone"]);
        Ok(User { id, email, name: String::new(), roles: vec![], disabled, created_at: NOW })
    }
}

impl Authenticator for People {
    fn authenticate(&self, token: String, _: Freshness) -> BoxFuture<'_, Result<Arc<Caller>, Unauthenticated>> {
        let role = if token == "staff" { Role::Staff } else { Role::Customer };
        let roles = BTreeSet::from([role]);
        async move { Ok(Arc::new(Caller { id: id(&token).to_string(), roles, session: String::new(), scopes: None })) }
            .boxed()
    }
}

pub struct Bank {
    pub folder: tempfile::TempDir,
    pub ledger: Arc<Ledger>,
    pub hand: ManualClock,
    pub people: Arc<People>,
}

pub struct Reply {
    pub status: u16,
    pub body: Value,
    pub replayed: bool,
}

impl Reply {
    async fn of(response: ServiceResponse<impl MessageBody>) -> Self {
        let status = response.status().as_u16();
        let replayed = response.headers().contains_key("Idempotent-Replayed");
        let bytes = test::read_body(response).await;
        Self { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null), replayed }
    }

    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_default().to_owned()
    }

    /// Status and code of a refusal.
    pub fn refusal(&self) -> (u16, &str) {
        (self.status, self.code())
    }

    /// The code of its first refused field.
    pub fn field_code(&self) -> &str {
        self.body["errors"][0]["code"].as_str().unwrap_or_default()
    }
}

/// The wallet's HTTP interface, without a network.
pub struct Api(Box<dyn Fn(test::TestRequest) -> LocalBoxFuture<'static, Reply>>);

impl Api {
    pub async fn ask(&self, who: &str, method: Method, path: &str, key: Option<&str>, body: Option<&str>) -> Reply {
        let mut request = test::TestRequest::default().method(method).uri(path);
        if !who.is_empty() {
            request = request.insert_header(("Authorization", format!("Bearer {who}")));
        }
        if let Some(key) = key {
            request = request.insert_header(("Idempotency-Key", key));
        }
        if let Some(body) = body {
            request = request.insert_header(("Content-Type", "application/json")).set_payload(body.to_owned());
        }
        (self.0)(request).await
    }
}

impl Bank {
    pub fn new() -> Self {
        Self::with(Settings::default())
    }

    pub fn with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = Url::file(folder.path().join("wallet.db"));
        Self::open(folder, &url, settings)
    }

    /// A bank whose ledger is in this database.
    pub fn at(url: &Url) -> Self {
        Self::open(tempfile::tempdir().expect("a folder"), url, Settings::default())
    }

    fn open(folder: tempfile::TempDir, url: &Url, settings: Settings) -> Self {
        let (clock, hand) = Clock::manual(NOW);
        let people = Arc::new(People::default());
        let ledger = Ledger::open(url, settings, people.clone(), clock, Random::seeded(1)).expect("opens");
        Self { folder, ledger, hand, people }
    }

    /// The wallet's routes, ready to be asked.
    pub async fn app(&self) -> Api {
        let authenticator: Arc<dyn Authenticator> = self.people.clone();
        let app = App::new()
            .app_data(web::Data::from(self.ledger.clone()))
            .app_data(web::Data::from(authenticator))
            .configure(|app| routes().mount(app));
        let service = Rc::new(test::init_service(app).await);
        Api(Box::new(move |ask: test::TestRequest| {
            let service = service.clone();
            async move { Reply::of(test::call_service(&*service, ask.to_request()).await).await }.boxed_local()
        }))
    }

    pub async fn ask(&self, who: &str, method: Method, path: &str, key: Option<&str>, body: Option<&str>) -> Reply {
        self.app().await.ask(who, method, path, key, body).await
    }

    pub async fn get(&self, who: &str, path: &str) -> Reply {
        self.ask(who, Method::GET, path, None, None).await
    }

    pub async fn post(&self, who: &str, path: &str, key: &str, body: Value) -> Reply {
        self.ask(who, Method::POST, path, Some(key), Some(&body.to_string())).await
    }

    /// Staff give `amount` US cents.
    pub async fn give(&self, who: &str, amount: i64) {
        let path = format!("/v1/admin/wallets/{}/credit", id(who));
        let body = json!({"amount": {"amount": amount, "currency": "USD"}, "reason": "for the test"});
        let key = format!("give-{}", Random::system().token::<8>());
        assert_eq!(self.post("staff", &path, &key, body).await.status, 201);
    }

    pub async fn send(&self, from: &str, to: &str, amount: i64, key: &str) -> Reply {
        self.post(from, "/v1/wallet/transfers", key, json!({"to": to, "amount": usd_json(amount)})).await
    }

    /// Balance, held and available in US cents.
    pub async fn standing(&self, who: &str) -> (i64, i64, i64) {
        let balances = self.ledger.balances(id(who).as_str()).await.expect("reads");
        let usd = balances.into_iter().find(|balance| balance.currency == Currency::USD);
        usd.map_or((0, 0, 0), |usd| (usd.balance, usd.held, usd.available))
    }

    pub async fn hold(&self, number: &str, buyer: &str, amount: i64) -> Result<HoldStatus, WalletError> {
        self.ledger.hold(&call(), ask_hold(number, buyer, amount)).await
    }

    pub async fn capture(&self, number: &str, payees: &[(Payee, i64)]) -> Result<HoldStatus, WalletError> {
        let share = |(payee, amount): &(Payee, i64)| Share { payee: payee.clone(), amount: usd(*amount) };
        let payees = payees.iter().map(share).collect();
        self.ledger.capture(&call(), Capture { hold: hold_id(number), payees }).await
    }

    pub async fn void(&self, number: &str) -> Result<HoldStatus, WalletError> {
        self.ledger.void(&call(), OfHold { hold: hold_id(number) }).await
    }

    pub async fn freeze(&self, who: &str, what: &str) {
        let path = format!("/v1/admin/wallets/{}/{what}", id(who));
        assert_eq!(self.ask("staff", Method::POST, &path, None, None).await.status, 204);
    }

    /// Fails unless every invariant holds.
    pub async fn prove(&self) {
        let audit = self.ledger.verify(&call(), ()).await.expect("verifies");
        assert!(audit.is_clean(), "{audit:#?}");
    }

    /// A second connection, which obeys nothing.
    pub fn meddle(&self, sql: &str) {
        let path = self.folder.path().join("wallet.db");
        let mut db = SqliteConnection::establish(path.to_str().expect("text")).expect("opens");
        let settings = "pragma busy_timeout = 5000; pragma ignore_check_constraints = on;";
        db.batch_execute(settings).and_then(|()| db.batch_execute(sql)).expect("meddles");
    }
}

pub fn call() -> Call {
    Call::internal("test")
}

pub fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::USD).expect("in range")
}

pub fn usd_json(amount: i64) -> Value {
    json!({"amount": amount, "currency": "USD"})
}

pub fn hold_id(number: &str) -> HoldId {
    HoldId::derived(&["order", "hold", number])
}

pub fn ask_hold(number: &str, buyer: &str, amount: i64) -> Hold {
    Hold {
        id: hold_id(number),
        order: format!("ord_{number}"),
        buyer: id(buyer).to_string(),
        amount: PositiveMoney::new(usd(amount)).expect("positive"),
        expires_in_secs: 86_400,
    }
}

pub fn supplier(name: &str) -> Payee {
    Payee::Supplier(id(name).to_string())
}
