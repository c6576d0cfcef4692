//! Users in a folder of their own, with a clock that stands still, reached over HTTP.
#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses its own part of this")]
#![expect(clippy::expect_used, reason = "a test that cannot be set up must stop")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::http::header::HeaderMap;
use actix_web::{App, HttpMessage, test, web};
use aws_lc_rs::signature::Ed25519KeyPair;
use diesel::prelude::*;
use emporium_auth::{AuthOpenError, MailTransport, Name, NewPassword, Settings, Users, routes};
use emporium_auth_api::{AuthError, Email, User, Verifier};
use emporium_database::Url;
use emporium_kernel::{Authenticator, Call, Clock, ManualClock, Random, Role, Timestamp, secret_file};
use serde_json::{Value, json};
use tempfile::TempDir;

diesel::table! {
    sessions (id) {
        id -> Text,
        end_reason -> Nullable<Text>,
    }
}

diesel::table! {
    users (id) {
        id -> Text,
        password_hash -> Text,
    }
}

diesel::table! {
    mail (id) {
        id -> Text,
        sealed -> Text,
    }
}

diesel::table! {
    code (hash) {
        hash -> Text,
    }
}

diesel::table! {
    code_sent (sent_at) {
        sent_at -> BigInt,
    }
}

pub const START: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
pub const PASSWORD: &str = "tea at four o'clock";
/// Who reads the mail of a house that keeps it.
const READER: &str = "sam@example.com";

pub struct House {
    pub folder: TempDir,
    pub users: Arc<Users>,
    pub verifier: Verifier,
    pub clock: Clock,
    pub time: ManualClock,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Reply {
    pub fn text(&self, member: &str) -> String {
        self.body[member].as_str().unwrap_or_default().to_owned()
    }

    /// Status, refused field and code.
    pub fn refusal(&self) -> (u16, String, String) {
        let error = &self.body["errors"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let code = if error.is_null() { self.text("code") } else { text(&error["code"]) };
        (self.status, text(&error["field"]), code)
    }
}

/// A key that tests know.
pub fn signing_key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[42; 32]).expect("a key")
}

pub fn open(folder: &TempDir, settings: Settings, clock: Clock, seed: u64) -> Result<Arc<Users>, AuthOpenError> {
    let url = Url::file(folder.path().join("auth.db"));
    Users::open(&url, settings, folder.path(), clock, Random::seeded(seed))
}

impl House {
    pub fn new() -> Self {
        Self::with(Settings::for_tests())
    }

    pub fn with(settings: Settings) -> Self {
        Self::at(tempfile::tempdir().expect("a folder"), settings)
    }

    fn at(folder: TempDir, settings: Settings) -> Self {
        let (clock, time) = Clock::manual(START);
        let users = open(&folder, settings, clock.clone(), 1).expect("opens");
        let verifier = Verifier::new(users.clone(), clock.clone());
        Self { folder, users, verifier, clock, time }
    }

    /// A house whose users are in this database.
    pub fn in_database(url: &Url, settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (clock, time) = Clock::manual(START);
        let users = Users::open(url, settings, folder.path(), clock.clone(), Random::seeded(1)).expect("opens");
        let verifier = Verifier::new(users.clone(), clock.clone());
        Self { folder, users, verifier, clock, time }
    }

    /// A house that finds this key where it keeps its own.
    pub fn signing_with(key: &Ed25519KeyPair) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let pkcs8 = key.to_pkcs8().expect("bytes");
        secret_file::make(&folder.path().join("auth-signing.key"), pkcs8.as_ref()).expect("writes");
        Self::at(folder, Settings::for_tests())
    }

    /// A house whose mail staff can read.
    pub async fn with_mail(mut settings: Settings) -> Self {
        settings.mail.transport = MailTransport::Staff;
        let house = Self::with(settings);
        house.user(READER, &[Role::Staff]).await;
        house
    }

    /// The same after the process was stopped and started again.
    pub fn again(self) -> Self {
        self.again_with(Settings::for_tests())
    }

    pub fn again_with(self, settings: Settings) -> Self {
        static STARTS: AtomicU64 = AtomicU64::new(2);
        let Self { folder, users, clock, time, .. } = self;
        users.database().close();
        drop(users);
        let seed = STARTS.fetch_add(1, Ordering::SeqCst);
        let users = open(&folder, settings, clock.clone(), seed).expect("opens again");
        let verifier = Verifier::new(users.clone(), clock.clone());
        Self { folder, users, verifier, clock, time }
    }

    pub fn pass(&self, secs: u64) {
        self.time.advance(Duration::from_secs(secs));
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub async fn send(&self, request: test::TestRequest) -> Reply {
        self.send_for(Call::internal("test"), request).await
    }

    /// Sends a request as the outermost layer of a server passes it on.
    pub async fn send_for(&self, call: Call, request: test::TestRequest) -> Reply {
        let authenticator: Arc<dyn Authenticator> = Arc::new(self.verifier.clone());
        let app = App::new()
            .app_data(web::Data::from(self.users.clone()))
            .app_data(web::Data::from(authenticator))
            .configure(|app| routes().mount(app));
        let app = test::init_service(app).await;
        let request = request.to_request();
        request.extensions_mut().insert(call);
        let response = test::call_service(&app, request).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = test::read_body(response).await;
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).expect("JSON") };
        Reply { status, headers, body }
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(test::TestRequest::post().uri(path).set_json(body)).await
    }

    /// Sends a request without a body, with this access token.
    pub async fn as_user(&self, method: &str, path: &str, token: &str) -> Reply {
        let method = method.parse().expect("a method");
        let bearer = ("Authorization", format!("Bearer {token}"));
        self.send(test::TestRequest::default().method(method).uri(path).insert_header(bearer)).await
    }

    pub async fn me(&self, token: &str) -> Reply {
        self.as_user("GET", "/v1/me", token).await
    }

    pub async fn register(&self, email: &str) -> Reply {
        self.post("/v1/auth/register", json!({"email": email, "password": PASSWORD, "name": "Ada"})).await
    }

    pub async fn login(&self, email: &str, password: &str) -> Reply {
        self.post("/v1/auth/login", json!({"email": email, "password": password})).await
    }

    pub async fn refresh(&self, token: &str) -> Reply {
        self.post("/v1/auth/refresh", json!({"refresh_token": token})).await
    }

    /// Registers and logs in.
    pub async fn arrive(&self, email: &str) -> Reply {
        assert_eq!(self.register(email).await.status, 201);
        let login = self.login(email, PASSWORD).await;
        assert_eq!(login.status, 200);
        login
    }

    /// Sends what waits. All mail that went out, newest first.
    pub async fn mail(&self) -> Vec<Value> {
        self.users.send_mail().await.expect("goes out");
        let staff = self.login(READER, PASSWORD).await.text("access_token");
        let list = self.as_user("GET", "/v1/admin/mail", &staff).await;
        assert_eq!(list.status, 200);
        list.body["data"].as_array().expect("rows").clone()
    }

    /// The six digits that were mailed last.
    pub async fn code(&self) -> String {
        let digits = |word: &&str| word.len() == 6 && word.bytes().all(|b| b.is_ascii_digit());
        let code = |mail: &Value| {
            let text = mail["text"].as_str().expect("text");
            text.split(|c: char| !c.is_ascii_alphanumeric()).find(digits).map(str::to_owned)
        };
        self.mail().await.iter().find_map(code).expect("a code")
    }

    /// Why each session ended; `None` for those that did not.
    pub async fn ends(&self) -> Vec<Option<String>> {
        let read = self.users.database().read::<_, AuthError, _>(|db| {
            Ok(sessions::table.select(sessions::end_reason).order(sessions::id).load(db)?)
        });
        read.await.expect("reads")
    }

    /// Letters that wait, and codes.
    pub async fn stored_secrets(&self) -> (Vec<String>, Vec<String>) {
        let read = self.users.database().read::<_, AuthError, _>(|db| {
            Ok((mail::table.select(mail::sealed).load(db)?, code::table.select(code::hash).load(db)?))
        });
        read.await.expect("reads")
    }

    /// When codes were sent, as far as it is remembered.
    pub async fn sent_codes(&self) -> Vec<i64> {
        let read = self.users.database().read::<_, AuthError, _>(|db| {
            Ok(code_sent::table.select(code_sent::sent_at).order(code_sent::sent_at).load(db)?)
        });
        read.await.expect("reads")
    }

    pub async fn password_hashes(&self) -> Vec<String> {
        let read = self
            .users
            .database()
            .read::<_, AuthError, _>(|db| Ok(users::table.select(users::password_hash).order(users::id).load(db)?));
        read.await.expect("reads")
    }

    pub async fn user(&self, email: &str, roles: &[Role]) -> User {
        let roles: BTreeSet<Role> = roles.iter().copied().collect();
        self.users
            .create_user(&Call::internal("test"), address(email), name(), password(PASSWORD), roles)
            .await
            .expect("is made")
    }
}

pub fn address(text: &str) -> Email {
    Email::parse(text).expect("an address")
}

pub fn name() -> Name {
    Name::parse("Ada").expect("a name")
}

pub fn password(text: &str) -> NewPassword {
    NewPassword::parse(text).expect("a password")
}
