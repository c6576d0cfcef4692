//! What was granted and then taken back: refused at once where money or the shop is at stake, and soon everywhere.
#![expect(clippy::expect_used, reason = "a test that cannot be set up must stop")]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use common::{House, PASSWORD};
use emporium_auth::{NewPassword, Settings, Users};
use emporium_auth_api::{
    AskPersonal, Auth, AuthError, Email, FindUser, Grant, KeyHash, KeyHolder, KeySet, Personal, User, Verifier,
};
use emporium_kernel::{After, Authenticator, Call, Events, Freshness, Outage, Role, Unauthenticated};
use serde_json::json;

const ADA: &str = "ada@example.com";

fn ada() -> FindUser {
    FindUser::Email(Email::parse(ADA).expect("an address"))
}

async fn passes(house: &House, token: &str, freshness: Freshness) -> bool {
    match house.verifier.authenticate(token.to_owned(), freshness).await {
        Ok(_) => true,
        Err(Unauthenticated::Refused) => false,
        Err(Unauthenticated::Unknown(outage)) => panic!("{outage}"),
    }
}

/// Takes a token back in some way, and looks for how long it is still taken.
async fn is_taken_back(how: &str, take_back: impl AsyncFn(&House, &str, &str)) {
    let house = House::new();
    let login = house.arrive(ADA).await;
    let (access, refresh) = (login.text("access_token"), login.text("refresh_token"));
    assert!(passes(&house, &access, Freshness::Recent).await && passes(&house, &access, Freshness::Now).await);
    take_back(&house, &access, &refresh).await;
    house.pass(2);
    assert!(passes(&house, &access, Freshness::Recent).await, "{how}: it was good a moment ago");
    house.pass(1);
    assert!(!passes(&house, &access, Freshness::Recent).await, "{how}: three seconds have passed");

    let house = House::new();
    let login = house.arrive(ADA).await;
    let (access, refresh) = (login.text("access_token"), login.text("refresh_token"));
    assert!(passes(&house, &access, Freshness::Now).await);
    take_back(&house, &access, &refresh).await;
    assert!(!passes(&house, &access, Freshness::Now).await, "{how}: at once");
    assert!(!passes(&house, &access, Freshness::Recent).await, "{how}: and then everywhere");
}

#[actix_web::test]
async fn a_session_that_was_logged_out() {
    is_taken_back("logout", async |house: &House, _: &str, refresh: &str| {
        assert_eq!(house.post("/v1/auth/logout", json!({"refresh_token": refresh})).await.status, 204);
    })
    .await;
}

#[actix_web::test]
async fn all_sessions_or_one_that_the_user_ended() {
    is_taken_back("all", async |house: &House, access: &str, _: &str| {
        assert_eq!(house.as_user("DELETE", "/v1/me/sessions", access).await.status, 204);
    })
    .await;
    is_taken_back("one", async |house: &House, access: &str, _: &str| {
        let list = house.as_user("GET", "/v1/me/sessions", access).await;
        let path = format!("/v1/me/sessions/{}", list.body["data"][0]["id"].as_str().expect("an id"));
        assert_eq!(house.as_user("DELETE", &path, access).await.status, 204);
    })
    .await;
}

#[actix_web::test]
async fn a_session_whose_refresh_token_came_twice() {
    is_taken_back("reuse", async |house: &House, _: &str, refresh: &str| {
        let next = house.refresh(refresh).await.text("refresh_token");
        assert_eq!(house.refresh(&next).await.status, 200);
        assert_eq!(house.refresh(refresh).await.status, 401);
    })
    .await;
}

#[actix_web::test]
async fn a_user_who_was_disabled_or_got_another_password_or_other_roles() {
    is_taken_back("disabled", async |house: &House, _: &str, _: &str| {
        house.users.disable(&Call::internal("test"), ada()).await.expect("disables");
    })
    .await;
    is_taken_back("password", async |house: &House, _: &str, _: &str| {
        let password = NewPassword::parse("another long phrase").expect("a password");
        house.users.set_password(&Call::internal("test"), ada(), password).await.expect("sets");
    })
    .await;
    is_taken_back("roles", async |house: &House, _: &str, _: &str| {
        house.users.set_roles(&Call::internal("test"), ada(), BTreeSet::from([Role::Staff])).await.expect("sets");
    })
    .await;
}

#[actix_web::test]
async fn other_sessions_and_new_tokens_stay_good() {
    let house = House::new();
    let here = house.arrive(ADA).await;
    let there = house.login(ADA, PASSWORD).await.text("access_token");
    house.post("/v1/auth/logout", json!({"refresh_token": here.text("refresh_token")})).await;
    assert!(passes(&house, &there, Freshness::Now).await, "another session");
    let again = house.login(ADA, PASSWORD).await;
    house
        .users
        .set_roles(&Call::internal("test"), ada(), BTreeSet::from([Role::Customer, Role::Staff]))
        .await
        .expect("sets");
    assert!(!passes(&house, &again.text("access_token"), Freshness::Now).await, "it says what is true no longer");
    let fresh = house.refresh(&again.text("refresh_token")).await.text("access_token");
    assert!(passes(&house, &fresh, Freshness::Now).await, "the session goes on with the new roles");
}

/// Auth behind a counter and a switch.
struct Watched {
    users: Arc<Users>,
    asked: AtomicUsize,
    down: AtomicBool,
}

#[async_trait]
impl Auth for Watched {
    async fn personal(&self, call: &Call, ask: AskPersonal) -> Result<Personal, AuthError> {
        Auth::personal(&*self.users, call, ask).await
    }

    async fn events(&self, call: &Call, ask: After) -> Result<Events, AuthError> {
        self.users.events(call, ask).await
    }

    async fn check_key(&self, call: &Call, key: KeyHash) -> Result<KeyHolder, AuthError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(Outage::Unreachable.into());
        }
        self.users.check_key(call, key).await
    }

    async fn keys(&self, call: &Call, (): ()) -> Result<KeySet, AuthError> {
        self.users.keys(call, ()).await
    }

    async fn find_user(&self, call: &Call, who: FindUser) -> Result<User, AuthError> {
        self.users.find_user(call, who).await
    }

    async fn is_revoked(&self, call: &Call, grant: Grant) -> Result<bool, AuthError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            Err(Outage::Unreachable.into())
        } else {
            Auth::is_revoked(&*self.users, call, grant).await
        }
    }
}

#[actix_web::test]
async fn while_nobody_can_be_asked_nobody_passes_where_it_matters_and_everybody_elsewhere() {
    let house = House::new();
    let token = house.arrive(ADA).await.text("access_token");
    let watched = Watched { users: house.users.clone(), asked: AtomicUsize::new(0), down: AtomicBool::new(false) };
    let watched = Arc::new(watched);
    let verifier = Verifier::new(watched.clone(), house.clock.clone());
    let ask = async |freshness| verifier.authenticate(token.clone(), freshness).await.map(drop);
    for _ in 0..10 {
        assert_eq!(ask(Freshness::Recent).await, Ok(()));
    }
    assert_eq!(watched.asked.load(Ordering::SeqCst), 1, "the answer is good for three seconds");
    for _ in 0..10 {
        assert_eq!(ask(Freshness::Now).await, Ok(()));
    }
    assert_eq!(watched.asked.load(Ordering::SeqCst), 11, "each time");
    watched.down.store(true, Ordering::SeqCst);
    house.pass(10);
    assert_eq!(ask(Freshness::Now).await, Err(Unauthenticated::Unknown(Outage::Unreachable)));
    assert_eq!(ask(Freshness::Recent).await, Ok(()));
}

#[actix_web::test]
async fn what_was_taken_back_stays_so_when_nobody_answers_any_more_and_what_nobody_saw_does_not_pass() {
    let house = House::new();
    let token = house.arrive(ADA).await.text("access_token");
    let unseen = house.login(ADA, PASSWORD).await.text("access_token");
    let watched = Watched { users: house.users.clone(), asked: AtomicUsize::new(0), down: AtomicBool::new(false) };
    let watched = Arc::new(watched);
    let verifier = Verifier::new(watched.clone(), house.clock.clone());
    let ask = async |token: &str, freshness| verifier.authenticate(token.to_owned(), freshness).await.map(drop);
    assert_eq!(ask(&token, Freshness::Now).await, Ok(()));
    assert_eq!(house.as_user("DELETE", "/v1/me/sessions", &token).await.status, 204);
    assert_eq!(ask(&token, Freshness::Now).await, Err(Unauthenticated::Refused));
    watched.down.store(true, Ordering::SeqCst);
    for freshness in [Freshness::Now, Freshness::Recent] {
        assert_eq!(ask(&token, freshness).await, Err(Unauthenticated::Refused));
        assert_eq!(ask(&unseen, freshness).await, Err(Unauthenticated::Unknown(Outage::Unreachable)));
    }
}

#[actix_web::test]
async fn a_token_that_nobody_can_answer_for_passes_for_a_minute() {
    let house = House::new();
    let token = house.arrive(ADA).await.text("access_token");
    let watched = Watched { users: house.users.clone(), asked: AtomicUsize::new(0), down: AtomicBool::new(false) };
    let watched = Arc::new(watched);
    let verifier = Verifier::new(watched.clone(), house.clock.clone());
    assert!(verifier.authenticate(token.clone(), Freshness::Recent).await.is_ok());
    watched.down.store(true, Ordering::SeqCst);
    house.pass(59);
    assert!(verifier.authenticate(token.clone(), Freshness::Recent).await.is_ok());
    house.pass(1);
    let unknown = Err(Unauthenticated::Unknown(Outage::Unreachable));
    assert_eq!(verifier.authenticate(token, Freshness::Recent).await, unknown);
}

#[actix_web::test]
async fn nobody_changes_anything_with_a_token_or_key_that_nobody_can_answer_for() {
    let house = House::new();
    house.user(ADA, &[Role::Staff]).await;
    let token = house.login(ADA, PASSWORD).await.text("access_token");
    let key = key_of(&house, &token).await;
    let watched = Watched { users: house.users.clone(), asked: AtomicUsize::new(0), down: AtomicBool::new(false) };
    let watched = Arc::new(watched);
    let verifier = Verifier::new(watched.clone(), house.clock.clone());
    let ask = async |secret: &String| verifier.authenticate(secret.clone(), Freshness::Soon).await.map(drop);
    assert_eq!((ask(&token).await, ask(&key).await), (Ok(()), Ok(())));
    watched.down.store(true, Ordering::SeqCst);
    house.pass(2);
    assert_eq!((ask(&token).await, ask(&key).await), (Ok(()), Ok(())), "they were good a moment ago");
    house.pass(1);
    let unknown = Err(Unauthenticated::Unknown(Outage::Unreachable));
    assert_eq!((ask(&token).await, ask(&key).await), (unknown, unknown));
}

/// An API key of whoever the token is.
async fn key_of(house: &House, token: &str) -> String {
    let body = json!({"name": "k", "scopes": ["orders:read"], "current_password": PASSWORD});
    let ask = actix_web::test::TestRequest::post().uri("/v1/admin/api-keys").set_json(body);
    house.send(ask.insert_header(("Authorization", format!("Bearer {token}")))).await.text("key")
}

/// Auth that answers for a token only when it is told to, and may withdraw its key meanwhile.
struct Slow {
    users: Arc<Users>,
    withdrawn: AtomicBool,
    bell: tokio::sync::Semaphore,
}

#[async_trait]
impl Auth for Slow {
    async fn personal(&self, call: &Call, ask: AskPersonal) -> Result<Personal, AuthError> {
        Auth::personal(&*self.users, call, ask).await
    }

    async fn events(&self, call: &Call, ask: After) -> Result<Events, AuthError> {
        self.users.events(call, ask).await
    }

    async fn check_key(&self, call: &Call, key: KeyHash) -> Result<KeyHolder, AuthError> {
        self.users.check_key(call, key).await
    }

    async fn keys(&self, call: &Call, (): ()) -> Result<KeySet, AuthError> {
        let mut set = self.users.keys(call, ()).await?;
        if self.withdrawn.load(Ordering::SeqCst) {
            set.keys[0].kid = "another".to_owned();
        }
        Ok(set)
    }

    async fn find_user(&self, call: &Call, who: FindUser) -> Result<User, AuthError> {
        self.users.find_user(call, who).await
    }

    async fn is_revoked(&self, _: &Call, _: Grant) -> Result<bool, AuthError> {
        let _rung = self.bell.acquire().await;
        Ok(false)
    }
}

#[actix_web::test]
async fn a_key_that_is_withdrawn_while_its_token_is_being_looked_at_is_not_taken_again() {
    let house = House::new();
    let token = house.arrive(ADA).await.text("access_token");
    let bell = tokio::sync::Semaphore::new(0);
    let slow = Arc::new(Slow { users: house.users.clone(), withdrawn: AtomicBool::new(false), bell });
    let verifier = Verifier::new(slow.clone(), house.clock.clone());
    let mut looked_at = verifier.authenticate(token.clone(), Freshness::Recent);
    for _ in 0..10 {
        assert!(futures_util::FutureExt::now_or_never(&mut looked_at).is_none());
        tokio::task::yield_now().await;
    }
    slow.withdrawn.store(true, Ordering::SeqCst);
    house.pass(30);
    // A token of another key makes the verifier fetch the keys.
    let (head, rest) = token.split_once('.').expect("a token");
    let other = head_with_kid(head, "random");
    let refused = verifier.authenticate(format!("{other}.{rest}"), Freshness::Recent).await;
    assert_eq!(refused.map(drop), Err(Unauthenticated::Refused));
    slow.bell.add_permits(1_000);
    let _ = looked_at.await;
    let again = verifier.authenticate(token, Freshness::Recent).await;
    assert_eq!(again.map(drop), Err(Unauthenticated::Refused));
}

fn head_with_kid(head: &str, kid: &str) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut header: serde_json::Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).expect("base64url")).expect("JSON");
    header["kid"] = json!(kid);
    URL_SAFE_NO_PAD.encode(header.to_string())
}

#[actix_web::test]
async fn no_token_outlives_its_session() {
    let mut settings = Settings::for_tests();
    (settings.session_secs, settings.session_idle_secs) = (1_000, 1_000);
    let house = House::with(settings);
    let login = house.arrive(ADA).await;
    assert_eq!(login.body["expires_in"], json!(600));
    house.pass(900);
    let last = house.refresh(&login.text("refresh_token")).await;
    assert_eq!(last.body["expires_in"], json!(100));
    assert!(passes(&house, &last.text("access_token"), Freshness::Now).await);
    house.pass(130);
    assert!(!passes(&house, &last.text("access_token"), Freshness::Now).await, "with the leeway of its check");
}

#[actix_web::test]
async fn while_nobody_can_be_asked_a_key_passes_for_a_minute_where_nothing_is_at_stake() {
    let house = House::new();
    house.user(ADA, &[Role::Staff]).await;
    let token = house.login(ADA, PASSWORD).await.text("access_token");
    let key = key_of(&house, &token).await;
    let watched =
        Arc::new(Watched { users: house.users.clone(), asked: AtomicUsize::new(0), down: AtomicBool::new(false) });
    let verifier = Verifier::new(watched.clone(), house.clock.clone());
    let ask = |freshness| {
        let (verifier, key) = (&verifier, key.clone());
        async move { verifier.authenticate(key, freshness).await.map(drop) }
    };
    assert_eq!(ask(Freshness::Now).await, Ok(()));
    watched.down.store(true, Ordering::SeqCst);
    house.pass(59);
    assert_eq!(ask(Freshness::Recent).await, Ok(()));
    assert_eq!(ask(Freshness::Now).await, Err(Unauthenticated::Unknown(Outage::Unreachable)));
    house.pass(1);
    assert_eq!(ask(Freshness::Recent).await, Err(Unauthenticated::Unknown(Outage::Unreachable)));
}
