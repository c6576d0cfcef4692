//! Attacks on access tokens, each answered 401; and keys that cannot be had, answered 503.
#![expect(clippy::expect_used, reason = "a test that cannot be set up must stop")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use common::{House, START};
use emporium_auth::{Settings, Users, rotate_keys};
use emporium_auth_api::{
    AskPersonal, Auth, AuthError, FindUser, Grant, KeyHash, KeyHolder, KeySet, Personal, User, Verifier,
};
use emporium_kernel::{After, Authenticator, Call, Events, Freshness, Outage, Role, Unauthenticated};
use futures_util::future::join_all;
use serde_json::{Value, json};

const NOW: i64 = START.seconds();

/// Makes tokens with the shop's own key, as only auth itself could.
struct Forger {
    key: Ed25519KeyPair,
    header: Value,
    claims: Value,
}

impl Forger {
    fn of(kid: &str) -> Self {
        let id = |prefix: &str| format!("{prefix}_{}", "0".repeat(26));
        Self {
            key: common::signing_key(),
            header: json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid}),
            claims: json!({
                "iss": "emporium", "sub": id("usr"), "aud": "emporium", "exp": NOW + 600, "iat": NOW, "jti": "j1",
                "client_id": "emporium", "roles": ["customer"], "sid": id("ses"), "ver": 1,
            }),
        }
    }

    fn sign(&self, header: &str, claims: &str) -> String {
        let body = format!("{}.{}", B64.encode(header), B64.encode(claims));
        format!("{body}.{}", B64.encode(self.key.sign(body.as_bytes())))
    }

    fn with_header(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut header = self.header.clone();
        change(&mut header);
        self.sign(&header.to_string(), &self.claims.to_string())
    }

    fn with_claims(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = self.claims.clone();
        change(&mut claims);
        self.sign(&self.header.to_string(), &claims.to_string())
    }

    fn with_claims_text(&self, from: &str, to: &str) -> String {
        let claims = self.claims.to_string();
        assert!(claims.contains(from), "{from}");
        self.sign(&self.header.to_string(), &claims.replacen(from, to, 1))
    }
}

async fn setting() -> (House, Forger) {
    let house = House::signing_with(&common::signing_key());
    let kid = house.users.keys(&Call::internal("test"), ()).await.expect("keys").keys[0].kid.clone();
    let forger = Forger::of(&kid);
    (house, forger)
}

async fn refuses(house: &House, what: &str, token: String) {
    assert_eq!(
        house.verifier.authenticate(token.clone(), Freshness::Recent).await,
        Err(Unauthenticated::Refused),
        "{what}"
    );
    if token.len() < 60_000 {
        assert_eq!(house.me(&token).await.status, 401, "{what}");
    }
}

#[actix_web::test]
async fn a_token_of_ours_names_its_user() {
    let (house, forger) = setting().await;
    let caller = house.verifier.authenticate(forger.with_claims(|_| ()), Freshness::Recent).await.expect("is valid");
    assert_eq!((caller.id.as_str(), caller.roles.len()), (forger.claims["sub"].as_str().expect("text"), 1));
    assert!(caller.is_any(&[Role::Customer]));
    let login = house.arrive("ada@example.com").await;
    let header = B64.decode(login.text("access_token").split('.').next().expect("a header")).expect("base64");
    assert_eq!(serde_json::from_slice::<Value>(&header).expect("JSON"), forger.header, "tests forge what auth makes");
}

#[actix_web::test]
async fn other_algorithms_and_keys_are_refused() {
    let (house, forger) = setting().await;
    let public = forger.key.public_key().as_ref().to_vec();
    let unsigned = |alg: &str| {
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": forger.header["kid"]});
        format!("{}.{}", B64.encode(header.to_string()), B64.encode(forger.claims.to_string()))
    };
    for alg in ["none", "None", "NONE"] {
        refuses(&house, alg, format!("{}.", unsigned(alg))).await;
    }
    refuses(&house, "no signature", format!("{}.", unsigned("EdDSA"))).await;
    for secret in [public.clone(), B64.encode(&public).into_bytes()] {
        let body = unsigned("HS256");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), body.as_bytes());
        refuses(&house, "HS256 with the public key", format!("{body}.{}", B64.encode(tag))).await;
    }
    for alg in ["RS256", "ES256", "PS256", "eddsa", "Ed25519", ""] {
        refuses(&house, alg, forger.with_header(|header| header["alg"] = json!(alg))).await;
    }
    let foreign = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key");
    let other = Forger { key: foreign, header: forger.header.clone(), claims: forger.claims.clone() };
    refuses(&house, "a foreign key", other.with_claims(|_| ())).await;
    let good = forger.with_claims(|_| ());
    let (body, signature) = good.rsplit_once('.').expect("a signature");
    let altered = forger.with_claims(|claims| claims["roles"] = json!(["admin"]));
    let (altered_body, _) = altered.rsplit_once('.').expect("a signature");
    refuses(&house, "altered claims", format!("{altered_body}.{signature}")).await;
    let last = if signature.ends_with('A') { "Q" } else { "A" };
    refuses(&house, "altered signature", format!("{body}.{}{last}", &signature[..signature.len() - 1])).await;
}

#[actix_web::test]
async fn headers_that_bring_keys_or_mean_something_else_are_refused() {
    let (house, forger) = setting().await;
    for typ in [json!("JWT"), json!("AT+JWT"), json!("application/at+jwt"), json!(""), Value::Null] {
        refuses(&house, &format!("typ {typ}"), forger.with_header(|header| header["typ"] = typ.clone())).await;
    }
    for missing in ["alg", "typ", "kid"] {
        let without = forger.with_header(|header| drop(header.as_object_mut().expect("an object").remove(missing)));
        refuses(&house, missing, without).await;
    }
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": B64.encode(forger.key.public_key())});
    let extra = [
        ("jku", json!("https://example.com/keys.json")),
        ("jku", Value::Null),
        ("x5u", json!("https://example.com/cert")),
        ("jwk", jwk),
        ("x5c", json!(["AAAA"])),
        ("crit", json!(["exp"])),
        ("zip", json!("DEF")),
        ("b64", json!(false)),
    ];
    for (name, value) in extra {
        refuses(&house, name, forger.with_header(|header| header[name] = value.clone())).await;
    }
    let kids = ["", "unknown", "../../../../dev/null", "' or 1=1 --", "a b", "k\u{e9}y"];
    for kid in kids.map(str::to_owned).into_iter().chain(["k".repeat(65), "k".repeat(2000)]) {
        refuses(&house, "kid", forger.with_header(|header| header["kid"] = json!(kid))).await;
    }
    let twice = format!(r#"{{"alg":"none","alg":"EdDSA","typ":"at+jwt","kid":{}}}"#, forger.header["kid"]);
    refuses(&house, "alg twice", forger.sign(&twice, &forger.claims.to_string())).await;
}

#[actix_web::test]
async fn every_claim_is_needed_and_of_its_type() {
    let (house, forger) = setting().await;
    let names: Vec<String> = forger.claims.as_object().expect("an object").keys().cloned().collect();
    assert_eq!(names.len(), 10);
    for name in &names {
        let without = forger.with_claims(|claims| drop(claims.as_object_mut().expect("an object").remove(name)));
        refuses(&house, &format!("without {name}"), without).await;
        for wrong in [json!(null), json!({}), json!(true), json!(1.5), json!([1]), json!([])] {
            if name != "roles" || wrong != json!([]) {
                let token = forger.with_claims(|claims| claims[name] = wrong.clone());
                refuses(&house, &format!("{name} {wrong}"), token).await;
            }
        }
    }
    let wrong = [
        ("iss", json!("https://evil.example")),
        ("iss", json!(["emporium"])),
        ("aud", json!("other")),
        ("aud", json!(["other"])),
        ("exp", json!((NOW + 600).to_string())),
        ("exp", json!(-1)),
        ("exp", json!(i64::MAX)),
        ("exp", json!(u64::MAX)),
        ("iat", json!(NOW.to_string())),
        ("iat", json!(i64::MIN)),
        ("jti", json!("")),
        ("client_id", json!("")),
        ("sub", json!("admin")),
        ("sub", json!("ord_00000000000000000000000000")),
        ("sid", json!("none")),
        ("ver", json!("1")),
        ("roles", json!("admin")),
        ("roles", json!(["root"])),
    ];
    for (name, value) in wrong {
        refuses(&house, &format!("{name} {value}"), forger.with_claims(|claims| claims[name] = value.clone())).await;
    }
    let exp = format!("\"exp\":{}", NOW + 600);
    refuses(&house, "exp 1e400", forger.with_claims_text(&exp, "\"exp\":1e400")).await;
    refuses(&house, "exp twice", forger.with_claims_text(&exp, &format!("\"exp\":1,{exp}"))).await;
}

#[actix_web::test]
async fn times_are_checked_with_thirty_seconds_of_leeway() {
    let (house, forger) = setting().await;
    let token = |iat: i64, exp: i64| {
        forger.with_claims(|claims| {
            claims["iat"] = json!(iat);
            claims["exp"] = json!(exp);
        })
    };
    let accepts = async |token: String| house.verifier.authenticate(token, Freshness::Recent).await.is_ok();
    refuses(&house, "expired", token(NOW - 600, NOW - 30)).await;
    assert!(accepts(token(NOW - 600, NOW - 29)).await);
    refuses(&house, "from the future", token(NOW + 31, NOW + 600)).await;
    assert!(accepts(token(NOW + 30, NOW + 600)).await);
    refuses(&house, "good for too long", token(NOW, NOW + 901)).await;
    assert!(accepts(token(NOW, NOW + 900)).await);
    refuses(&house, "ends before it begins", token(NOW + 20, NOW + 10)).await;
}

#[actix_web::test]
async fn a_remembered_token_ends_like_any_other() {
    let (house, forger) = setting().await;
    let token = forger.with_claims(|_| ());
    for _ in 0..3 {
        assert!(house.verifier.authenticate(token.clone(), Freshness::Recent).await.is_ok());
    }
    house.pass(629);
    assert!(house.verifier.authenticate(token.clone(), Freshness::Recent).await.is_ok());
    house.pass(1);
    refuses(&house, "expired", token.clone()).await;
    refuses(&house, "still expired", token).await;
}

#[actix_web::test]
async fn what_is_no_token_is_refused() {
    let (house, forger) = setting().await;
    let good = forger.with_claims(|_| ());
    let padded = forger.with_claims(|claims| claims["note"] = json!("x".repeat(4000)));
    assert!(padded.len() > 4096);
    let bad = ["", ".", "..", "...", "a.b.c", "e30.e30.e30", "\u{1f511}.\u{1f511}.\u{1f511}"];
    for text in bad.map(str::to_owned).into_iter().chain([padded, format!("{good}.x"), format!("{good}=")]) {
        refuses(&house, &text.clone(), text).await;
    }
    refuses(&house, "one megabyte", "a".repeat(1024 * 1024)).await;
    refuses(&house, "one megabyte in three parts", format!("{}.a.a", "a".repeat(1024 * 1024))).await;
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
        self.users.check_key(call, key).await
    }

    async fn keys(&self, call: &Call, (): ()) -> Result<KeySet, AuthError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        if self.down.load(Ordering::SeqCst) { Err(Outage::Unreachable.into()) } else { self.users.keys(call, ()).await }
    }

    async fn is_revoked(&self, call: &Call, grant: Grant) -> Result<bool, AuthError> {
        Auth::is_revoked(&*self.users, call, grant).await
    }

    async fn find_user(&self, call: &Call, who: FindUser) -> Result<User, AuthError> {
        self.users.find_user(call, who).await
    }
}

fn watched(house: &House, down: bool) -> (Arc<Watched>, Verifier) {
    let watched = Watched { users: house.users.clone(), asked: AtomicUsize::new(0), down: AtomicBool::new(down) };
    let watched = Arc::new(watched);
    (watched.clone(), Verifier::new(watched, house.clock.clone()))
}

#[actix_web::test]
async fn keys_are_fetched_once_and_for_unknown_names_not_again_for_thirty_seconds() {
    let (house, forger) = setting().await;
    let (auth, verifier) = watched(&house, false);
    let asked = || auth.asked.load(Ordering::SeqCst);
    for kid in ["", "a b", "../key", &"k".repeat(65)] {
        let token = forger.with_header(|header| header["kid"] = json!(kid));
        assert_eq!(verifier.authenticate(token, Freshness::Recent).await, Err(Unauthenticated::Refused));
    }
    assert_eq!(asked(), 0, "a name that no key can have is not looked for");
    let tokens: Vec<String> =
        (0..20).map(|n| forger.with_claims(|claims| claims["jti"] = json!(n.to_string()))).collect();
    assert!(
        join_all(tokens.into_iter().map(|token| verifier.authenticate(token, Freshness::Recent)))
            .await
            .iter()
            .all(Result::is_ok)
    );
    assert_eq!(asked(), 1);
    for n in 0..20 {
        let token = forger.with_header(|header| header["kid"] = json!(format!("random{n}")));
        assert_eq!(verifier.authenticate(token, Freshness::Recent).await, Err(Unauthenticated::Refused));
    }
    assert_eq!(asked(), 1);
    house.pass(30);
    let unknown = forger.with_header(|header| header["kid"] = json!("random"));
    for _ in 0..5 {
        assert_eq!(verifier.authenticate(unknown.clone(), Freshness::Recent).await, Err(Unauthenticated::Refused));
    }
    assert_eq!(asked(), 2);
}

#[actix_web::test]
async fn without_keys_nobody_passes_and_nobody_is_called_a_liar() {
    let (house, forger) = setting().await;
    let (auth, verifier) = watched(&house, true);
    let token = forger.with_claims(|_| ());
    let unknown = Err(Unauthenticated::Unknown(Outage::Unreachable));
    for _ in 0..5 {
        assert_eq!(verifier.authenticate(token.clone(), Freshness::Recent).await, unknown);
    }
    assert_eq!(auth.asked.load(Ordering::SeqCst), 1, "a neighbour that is down is not hammered");
    let house = House { verifier: verifier.clone(), ..house };
    let reply = house.me(&token).await;
    assert_eq!((reply.status, reply.headers.contains_key("retry-after")), (503, true));
    auth.down.store(false, Ordering::SeqCst);
    house.time.advance(Duration::from_secs(1));
    assert!(verifier.authenticate(token.clone(), Freshness::Recent).await.is_ok());
    auth.down.store(true, Ordering::SeqCst);
    house.pass(60);
    assert!(
        verifier
            .authenticate(forger.with_claims(|claims| claims["jti"] = json!("j2")), Freshness::Recent)
            .await
            .is_ok()
    );
    assert!(verifier.authenticate(token, Freshness::Recent).await.is_ok(), "known keys go on being good");
}

#[actix_web::test]
async fn a_client_who_hangs_up_while_keys_are_fetched_takes_them_from_nobody() {
    let (house, forger) = setting().await;
    let (auth, verifier) = watched(&house, false);
    let token = forger.with_claims(|_| ());
    let mut hung_up = verifier.authenticate(token.clone(), Freshness::Recent);
    assert!(futures_util::FutureExt::now_or_never(&mut hung_up).is_none());
    tokio::task::yield_now().await;
    assert_eq!(auth.asked.load(Ordering::SeqCst), 1, "it is on its way");
    drop(hung_up);
    assert!(verifier.authenticate(token, Freshness::Recent).await.is_ok());
    assert_eq!(auth.asked.load(Ordering::SeqCst), 1);
}

#[actix_web::test]
async fn a_new_key_takes_over_and_nobody_notices() {
    let (house, _) = setting().await;
    let before = house.arrive("ada@example.com").await.text("access_token");
    let (auth, verifier) = watched(&house, false);
    let passes = async |token: &str| verifier.authenticate(token.to_owned(), Freshness::Now).await.is_ok();
    assert!(passes(&before).await);
    let random = emporium_kernel::Random::seeded(77);
    let made =
        rotate_keys(&Settings::for_tests(), house.folder.path(), house.clock.now(), &random, false).expect("makes one");
    house.users.refresh_keys();
    house.pass(359);
    let still = house.login("ada@example.com", common::PASSWORD).await.text("access_token");
    house.pass(1);
    let after = house.login("ada@example.com", common::PASSWORD).await.text("access_token");
    assert_ne!(header_of(&still)["kid"], json!(made.kid));
    assert_eq!(header_of(&after)["kid"], json!(made.kid));
    assert!(passes(&before).await && passes(&still).await && passes(&after).await);
    assert_eq!(auth.asked.load(Ordering::SeqCst), 2, "the new key was fetched when it was met");
}

#[actix_web::test]
async fn a_key_that_was_withdrawn_is_not_taken_for_ever_where_no_new_one_is_met() {
    let (house, _) = setting().await;
    let seen = house.arrive("ada@example.com").await.text("access_token");
    let unseen = house.login("ada@example.com", common::PASSWORD).await.text("access_token");
    let (auth, verifier) = watched(&house, false);
    let passes = async |token: &String| verifier.authenticate(token.clone(), Freshness::Recent).await.is_ok();
    assert!(passes(&seen).await);
    let random = emporium_kernel::Random::seeded(77);
    rotate_keys(&Settings::for_tests(), house.folder.path(), house.clock.now(), &random, true).expect("makes one");
    house.users.refresh_keys();
    house.pass(299);
    assert!(passes(&seen).await, "what was published may be kept for five minutes");
    auth.down.store(true, Ordering::SeqCst);
    house.pass(1);
    assert!(passes(&seen).await, "nobody answers");
    auth.down.store(false, Ordering::SeqCst);
    house.pass(30);
    assert!(!passes(&unseen).await && !passes(&seen).await, "the key is gone");
}

#[actix_web::test]
async fn a_key_that_was_replaced_at_once_signs_for_nobody_any_more() {
    let (house, _) = setting().await;
    let before = house.arrive("ada@example.com").await.text("access_token");
    assert_eq!(house.me(&before).await.status, 200);
    let random = emporium_kernel::Random::seeded(77);
    rotate_keys(&Settings::for_tests(), house.folder.path(), house.clock.now(), &random, true).expect("makes one");
    house.users.refresh_keys();
    house.pass(30);
    let after = house.login("ada@example.com", common::PASSWORD).await.text("access_token");
    assert_eq!(house.me(&after).await.status, 200);
    assert_eq!(house.me(&before).await.status, 401);
}

fn header_of(token: &str) -> Value {
    let encoded = token.split('.').next().expect("a header");
    let bytes = B64.decode(encoded).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}
