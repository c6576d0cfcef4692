//! API keys: shown once, bounded by scopes, and gone at once when they are revoked.

mod common;

use actix_web::test::TestRequest;
use common::{House, PASSWORD, Reply};
use emporium_auth::Settings;
use emporium_auth_api::{Auth, KeyHash};
use emporium_kernel::{Authenticator, Call, Freshness, Role, Unauthenticated};
use serde_json::{Value, json};

async fn make(house: &House, token: &str, mut body: Value) -> Reply {
    body["current_password"] = json!(PASSWORD);
    let bearer = ("Authorization", format!("Bearer {token}"));
    house.send(TestRequest::post().uri("/v1/admin/api-keys").insert_header(bearer).set_json(body)).await
}

/// Somebody of the staff, logged in.
async fn staff(house: &House, email: &str, role: Role) -> String {
    house.user(email, &[role]).await;
    house.login(email, PASSWORD).await.text("access_token")
}

#[actix_web::test]
async fn a_key_speaks_for_its_maker_within_its_scopes() {
    let house = House::new();
    let token = staff(&house, "ann@example.com", Role::Staff).await;
    let made = make(&house, &token, json!({"name": "ERP", "scopes": ["orders:read", "stock:write"]})).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let key = made.text("key");
    assert!(key.starts_with("emk_") && key.len() == 47);
    let caller = house.verifier.authenticate(key.clone(), Freshness::Now).await.expect("is good");
    let scopes: Vec<String> = caller.scopes.iter().flatten().map(ToString::to_string).collect();
    assert_eq!(
        (caller.id.as_str(), scopes),
        (made.text("user_id").as_str(), vec!["orders:read".to_owned(), "stock:write".to_owned()])
    );
    for path in ["/v1/admin/users", "/v1/me", "/v1/admin/api-keys"] {
        assert_eq!(house.as_user("GET", path, &key).await.status, 403, "{path} is for people");
    }
    assert_eq!(make(&house, &key, json!({"name": "more", "scopes": ["orders:write"]})).await.status, 403);

    let listed = house.as_user("GET", "/v1/admin/api-keys", &token).await;
    assert_eq!(listed.body["data"][0]["id"], made.body["id"]);
    assert!(listed.body["data"][0].get("key").is_none(), "shown once");
    house.users.database().close();
    let stored = std::fs::read(house.file("auth.db")).expect("reads");
    assert!(!String::from_utf8_lossy(&stored).contains(&key[4..]));
}

#[actix_web::test]
async fn a_key_is_gone_when_it_is_revoked_too_old_or_its_maker_is_disabled() {
    let house = House::new();
    let (ann, root) =
        (house.user("ann@example.com", &[Role::Staff]).await, staff(&house, "root@example.com", Role::Admin).await);
    let token = house.login("ann@example.com", PASSWORD).await.text("access_token");
    let key = |days: Value| {
        let (house, token) = (&house, &token);
        async move {
            let made =
                make(house, token, json!({"name": "k", "scopes": ["orders:read"], "expires_in_days": days})).await;
            (made.text("key"), made.text("id"))
        }
    };
    let ((first, id), (second, _), (third, _)) = (key(json!(null)).await, key(json!(1)).await, key(json!(null)).await);
    let good = |key: &str, freshness| {
        let (house, key) = (&house, key.to_owned());
        async move { house.verifier.authenticate(key, freshness).await.map(drop) }
    };
    assert_eq!(good(&first, Freshness::Recent).await, Ok(()));
    let eve = staff(&house, "eve@example.com", Role::Staff).await;
    let path = format!("/v1/admin/api-keys/{id}");
    assert_eq!(house.as_user("DELETE", &path, &eve).await.status, 404, "not hers");
    assert_eq!(house.as_user("GET", "/v1/admin/api-keys", &eve).await.body["data"], json!([]));
    assert_eq!(house.as_user("GET", "/v1/admin/api-keys", &root).await.body["data"].as_array().map(Vec::len), Some(3));
    assert_eq!(house.as_user("DELETE", &path, &token).await.status, 204);
    house.pass(1);
    assert_eq!(house.as_user("DELETE", &path, &token).await.status, 404);
    assert_eq!(good(&first, Freshness::Now).await, Err(Unauthenticated::Refused), "at once where it matters");
    assert_eq!(good(&first, Freshness::Recent).await, Err(Unauthenticated::Refused));

    assert_eq!(good(&second, Freshness::Now).await, Ok(()));
    house.pass(24 * 60 * 60);
    assert_eq!(good(&second, Freshness::Now).await, Err(Unauthenticated::Refused), "its time is over");
    assert_eq!(good(&third, Freshness::Recent).await, Ok(()));
    house.users.disable(&Call::internal("test"), emporium_auth_api::FindUser::Id(ann.id)).await.expect("disables");
    assert_eq!(good(&third, Freshness::Now).await, Err(Unauthenticated::Refused));
}

#[actix_web::test]
async fn its_use_is_noted_and_what_is_no_key_is_refused() {
    let house = House::new();
    let token = staff(&house, "ann@example.com", Role::Staff).await;
    let made = make(&house, &token, json!({"name": "ERP", "scopes": ["orders:read"]})).await;
    assert_eq!(made.body["last_used_at"], Value::Null);
    let hash = KeyHash::of(&made.text("key")).expect("a key");
    house.users.check_key(&Call::internal("test"), hash).await.expect("is good");
    let mut noted = Value::Null;
    for _ in 0..1_000 {
        noted = house.as_user("GET", "/v1/admin/api-keys", &token).await.body["data"][0]["last_used_at"].clone();
        if !noted.is_null() {
            break;
        }
    }
    assert!(noted.is_string());
    for wrong in ["emk_", "emk_short", &format!("emk_{}", "x".repeat(43))] {
        let answer = house.verifier.authenticate(wrong.to_owned(), Freshness::Now).await;
        assert_eq!(answer.map(drop), Err(Unauthenticated::Refused), "{wrong}");
    }
}

#[actix_web::test]
async fn bad_wishes_name_their_field() {
    let house = House::new();
    let token = staff(&house, "ann@example.com", Role::Staff).await;
    let cases = [
        (json!({"name": "", "scopes": ["orders:read"]}), "name", "blank"),
        (json!({"name": "k", "scopes": []}), "scopes", "empty"),
        (json!({"name": "k", "scopes": ["users:write"]}), "scopes[0]", "unknown_scope"),
        (json!({"name": "k", "scopes": ["orders:read"], "expires_in_days": 0}), "expires_in_days", "out_of_range"),
        (json!({"name": "k", "scopes": ["orders:read"], "user_id": "usr_x"}), "user_id", "unknown_field"),
    ];
    for (body, field, code) in cases {
        let refused = make(&house, &token, body.clone()).await;
        assert_eq!(refused.refusal(), (422, field.to_owned(), code.to_owned()), "{body}");
    }
    let bearer = ("Authorization", format!("Bearer {token}"));
    let wrong = json!({"name": "k", "scopes": ["orders:read"], "current_password": "wrong"});
    let ask = TestRequest::post().uri("/v1/admin/api-keys").insert_header(bearer).set_json(wrong);
    let refused = house.send(ask).await;
    assert_eq!(refused.refusal().2, "wrong_password", "a token that was stolen makes no key");
    let customer = house.arrive("cid@example.com").await.text("access_token");
    assert_eq!(make(&house, &customer, json!({"name": "k", "scopes": ["orders:read"]})).await.status, 403);
}

#[actix_web::test]
async fn whoever_sets_a_new_password_by_mail_starts_without_keys() {
    let house = House::with_mail(Settings::for_tests()).await;
    let token = staff(&house, "ann@example.com", Role::Staff).await;
    let key = make(&house, &token, json!({"name": "k", "scopes": ["orders:read"]})).await.text("key");
    house.post("/v1/auth/password/forgot", json!({"email": "ann@example.com"})).await;
    let code = house.code().await;
    let reset = json!({"email": "ann@example.com", "code": code, "new_password": "coffee at five o'clock"});
    assert_eq!(house.post("/v1/auth/password/reset", reset).await.status, 204);
    let answer = house.verifier.authenticate(key, Freshness::Now).await;
    assert_eq!(answer.map(drop), Err(Unauthenticated::Refused));
}
