//! Registering, logging in, and what the command line does with users.

mod common;

use actix_web::test::TestRequest;
use common::{House, PASSWORD, address, password};
use emporium_auth::{Settings, UserFilter, list_users};
use emporium_auth_api::{Auth, AuthError, FindUser};
use emporium_kernel::{Authenticator, Call, Freshness, Role, Window};
use futures_util::future::join_all;
use serde_json::{Value, json};

fn ada() -> FindUser {
    FindUser::Email(address("ada@example.com"))
}

#[actix_web::test]
async fn a_customer_registers_logs_in_and_is_known() {
    let house = House::new();
    let registered = house.register(" Ada@Example.com ").await;
    assert_eq!(registered.status, 201);
    let user = &registered.body["user"];
    assert_eq!(
        (&user["email"], &user["name"], &user["roles"]),
        (&json!("ada@example.com"), &json!("Ada"), &json!(["customer"]))
    );
    assert_eq!(user.as_object().expect("an object").len(), 4, "nothing else is told: {user}");

    let login = house.login("ADA@example.com", PASSWORD).await;
    assert_eq!((login.status, login.text("token_type").as_str()), (200, "Bearer"));
    assert_eq!(login.body["expires_in"], 600);
    assert_eq!(login.headers.get("cache-control").expect("a header"), "no-store");

    let me = house.me(&login.text("access_token")).await;
    assert_eq!(me.status, 200);
    assert_eq!(me.body["id"], user["id"]);
    assert_eq!(me.body["created_at"], "2027-01-15T08:00:00.000000Z");
    assert_eq!(house.me("nonsense").await.status, 401);
    assert_eq!(house.send(TestRequest::get().uri("/v1/me")).await.status, 401);
}

#[actix_web::test]
async fn the_public_keys_are_published_without_the_private_part() {
    let house = House::new();
    let keys = house.send(TestRequest::get().uri("/.well-known/jwks.json")).await;
    assert_eq!(keys.status, 200);
    let key = keys.body["keys"][0].as_object().expect("a key");
    let members: Vec<&str> = key.keys().map(String::as_str).collect();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
    assert_eq!(house.users.keys(&Call::internal("test"), ()).await.expect("answers").keys[0].kid, key["kid"]);
}

#[actix_web::test]
async fn an_address_belongs_to_one_user_even_when_many_ask_at_once() {
    let house = House::new();
    let replies = join_all((0..8).map(|_| house.register("ada@example.com"))).await;
    let count = |status| replies.iter().filter(|reply| reply.status == status).count();
    assert_eq!((count(201), count(409)), (1, 7));
    let refused = replies.iter().find(|reply| reply.status == 409).expect("one was refused");
    assert_eq!(refused.text("code"), "email_taken");
    assert_eq!(house.users.list_users(UserFilter::default(), Window::default()).await.expect("lists").data.len(), 1);
}

#[actix_web::test]
async fn unknown_address_wrong_password_and_disabled_user_get_the_same_answer() {
    let house = House::new();
    house.register("ada@example.com").await;
    house.register("bob@example.com").await;
    house
        .users
        .disable(&Call::internal("test"), FindUser::Email(address("bob@example.com")))
        .await
        .expect("is disabled");
    let answers = [
        house.login("nobody@example.com", PASSWORD).await,
        house.login("ada@example.com", "Tea at four o'clock").await,
        house.login("ada@example.com", "tea at four o'clock ").await,
        house.login("ada@example.com", "").await,
        house.login("bob@example.com", PASSWORD).await,
    ];
    let headers = |at: usize| {
        let mut names: Vec<String> = answers[at].headers.keys().map(ToString::to_string).collect();
        names.sort();
        names
    };
    for at in 0..answers.len() {
        assert_eq!((answers[at].status, answers[at].text("code").as_str()), (401, "invalid_credentials"));
        assert_eq!((&answers[at].body, headers(at)), (&answers[0].body, headers(0)));
    }
    assert_eq!(house.login("ada@example.com", PASSWORD).await.status, 200);
}

#[actix_web::test]
async fn bad_input_is_refused_with_field_and_code_and_changes_nothing() {
    let house = House::new();
    let good = json!({"email": "ada@example.com", "password": PASSWORD, "name": "Ada"});
    let long = "ab".repeat(128) + "c";
    let cases = [
        ("password", json!("short"), (422, "password", "password_too_short")),
        ("password", json!(long), (422, "password", "password_too_long")),
        ("password", json!("         "), (422, "password", "password_blank")),
        ("password", json!("Password123"), (422, "password", "password_too_common")),
        ("password", json!("ada@example.com"), (422, "password", "weak_password")),
        ("password", json!("tea\u{0}at four"), (400, "", "forbidden_character")),
        ("password", json!(12_345_678), (422, "password", "invalid_value")),
        ("password", Value::Null, (422, "password", "invalid_value")),
        ("email", json!("ada"), (422, "email", "invalid_email")),
        ("name", json!("  "), (422, "name", "blank")),
        ("name", json!("a".repeat(101)), (422, "name", "too_long")),
        ("name", json!("A\u{202e}da"), (422, "name", "forbidden_character")),
        ("role", json!("admin"), (422, "role", "unknown_field")),
        ("roles", json!(["admin"]), (422, "roles", "unknown_field")),
        ("disabled", json!(false), (422, "disabled", "unknown_field")),
    ];
    for (field, value, (status, at, code)) in cases {
        let mut body = good.clone();
        body[field] = value;
        let refused = house.post("/v1/auth/register", body).await.refusal();
        assert_eq!(refused, (status, at.to_owned(), code.to_owned()), "{field}");
    }
    let missing = house.post("/v1/auth/register", json!({"email": "ada@example.com", "name": "Ada"})).await;
    assert_eq!(missing.refusal(), (422, "password".to_owned(), "required".to_owned()));
    let too_long = house.login("ada@example.com", &long).await;
    assert_eq!(too_long.refusal(), (422, "password".to_owned(), "password_too_long".to_owned()));
    assert!(house.users.list_users(UserFilter::default(), Window::default()).await.expect("lists").data.is_empty());
}

#[actix_web::test]
async fn the_longest_password_counts_to_its_last_character() {
    let house = House::new();
    let longest = "é".repeat(127) + &"x".repeat(129);
    let body = json!({"email": "ada@example.com", "password": longest, "name": "Ada"});
    assert_eq!(house.post("/v1/auth/register", body).await.status, 201);
    let other_end = "é".repeat(127) + &"x".repeat(128) + "y";
    assert_eq!(house.login("ada@example.com", &other_end).await.status, 401);
    let decomposed = longest.replace('é', "e\u{301}");
    assert_eq!(house.login("ada@example.com", &decomposed).await.status, 200);
}

#[actix_web::test]
async fn a_flood_of_logins_is_told_to_come_back() {
    let mut settings = Settings::default();
    (settings.hashing_at_once, settings.hashing_waiting) = (1, 1);
    let house = House::with(settings);
    let emails: Vec<String> = (0..8).map(|n| format!("u{n}@example.com")).collect();
    let replies = join_all(emails.iter().map(|email| house.register(email))).await;
    let count = |status| replies.iter().filter(|reply| reply.status == status).count();
    assert!(count(201) >= 1 && count(503) >= 1 && count(201) + count(503) == 8);
    let busy = replies.iter().find(|reply| reply.status == 503).expect("one was refused");
    assert_eq!((busy.text("code").as_str(), busy.headers.contains_key("retry-after")), ("busy", true));
    let kept = house.users.list_users(UserFilter::default(), Window::default()).await.expect("lists").data.len();
    assert_eq!(kept, count(201));
}

#[actix_web::test]
async fn a_disabled_user_is_out_and_comes_back_when_enabled() {
    let house = House::new();
    let login = house.arrive("ada@example.com").await;
    let disabled = house.users.disable(&Call::internal("test"), ada()).await.expect("is disabled");
    assert!(disabled.disabled);
    assert_eq!(house.refresh(&login.text("refresh_token")).await.text("code"), "invalid_refresh_token");
    assert_eq!(house.me(&login.text("access_token")).await.status, 401);
    assert_eq!(house.login("ada@example.com", PASSWORD).await.status, 401);
    house.users.enable(&Call::internal("test"), FindUser::Id(disabled.id)).await.expect("is enabled");
    assert_eq!(house.login("ada@example.com", PASSWORD).await.status, 200);
    assert_eq!(house.refresh(&login.text("refresh_token")).await.status, 401, "the old session stays ended");
}

#[actix_web::test]
async fn a_new_password_replaces_the_old_one_and_ends_sessions() {
    let house = House::new();
    let login = house.arrive("ada@example.com").await;
    let own_name = house.users.set_password(&Call::internal("test"), ada(), password("Ada12345")).await;
    assert!(matches!(own_name, Err(AuthError::WeakPassword { .. })));
    house.users.set_password(&Call::internal("test"), ada(), password("coffee at five")).await.expect("is set");
    assert_eq!(house.refresh(&login.text("refresh_token")).await.status, 401);
    assert_eq!(house.login("ada@example.com", PASSWORD).await.status, 401);
    assert_eq!(house.login("ada@example.com", "coffee at five").await.status, 200);
}

#[actix_web::test]
async fn new_roles_are_in_the_next_token() {
    let house = House::new();
    let login = house.arrive("ada@example.com").await;
    let roles = async |reply: &common::Reply| {
        let token = reply.text("access_token");
        house.verifier.authenticate(token, Freshness::Now).await.expect("valid").roles.clone()
    };
    assert_eq!(roles(&login).await, [Role::Customer].into());
    let user = house.users.add_role(&Call::internal("test"), ada(), Role::Staff).await.expect("is given");
    assert_eq!(user.roles, [Role::Customer, Role::Staff]);
    let next = house.refresh(&login.text("refresh_token")).await;
    assert_eq!(roles(&next).await, [Role::Customer, Role::Staff].into());
    let user = house.users.set_roles(&Call::internal("test"), ada(), [Role::Supplier].into()).await.expect("is set");
    assert_eq!(user.roles, [Role::Supplier]);
    let nobody = FindUser::Email(address("nobody@example.com"));
    assert_eq!(
        house.users.set_roles(&Call::internal("test"), nobody, [Role::Admin].into()).await,
        Err(AuthError::UnknownUser)
    );
}

#[actix_web::test]
async fn users_are_listed_newest_first_page_by_page() {
    let house = House::new();
    for n in 0..5 {
        house.user(&format!("u{n}@example.com"), &[Role::Customer]).await;
        if n % 2 == 0 {
            house.pass(1);
        }
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let window = serde_json::from_value(json!({"limit": 2, "after": after})).expect("a window");
        let page = list_users(house.users.database(), UserFilter::default(), window).await.expect("lists");
        seen.extend(page.data);
        after = page.next_cursor;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.windows(2).all(|pair| pair[0].created_at >= pair[1].created_at && pair[0].id != pair[1].id));
    assert!(seen.iter().all(|user| user.roles == [Role::Customer]));
}

#[actix_web::test]
async fn neighbours_find_users_by_address_and_by_id() {
    let house = House::new();
    let user = house.user("ada@example.com", &[Role::Customer, Role::Supplier]).await;
    let call = Call::internal("test");
    assert_eq!(house.users.find_user(&call, ada()).await, Ok(user.clone()));
    assert_eq!(house.users.find_user(&call, FindUser::Id(user.id.clone())).await, Ok(user));
    let nobody = FindUser::Email(address("nobody@example.com"));
    assert_eq!(house.users.find_user(&call, nobody).await, Err(AuthError::UnknownUser));
}

#[actix_web::test]
async fn weak_hashes_become_strong_at_the_next_login() {
    let house = House::new();
    house.register("ada@example.com").await;
    let begins = async |house: &House, with: &str| house.password_hashes().await[0].starts_with(with);
    assert!(begins(&house, "$argon2id$v=19$m=8,t=1,p=1$").await);
    let mut stronger = Settings::for_tests();
    stronger.argon2_passes = 2;
    let house = house.again_with(stronger);
    let logins = join_all((0..4).map(|_| house.login("ada@example.com", PASSWORD))).await;
    assert!(logins.iter().all(|login| login.status == 200), "none is in the way of another");
    assert!(begins(&house, "$argon2id$v=19$m=8,t=2,p=1$").await);
    assert_eq!(house.login("ada@example.com", PASSWORD).await.status, 200);
}

#[actix_web::test]
async fn an_unknown_address_costs_as_much_hashing_as_a_known_one() {
    let mut settings = Settings::default();
    (settings.hashing_at_once, settings.hashing_waiting) = (1, 0);
    let house = House::with(settings);
    let replies = join_all((0..8).map(|_| house.login("nobody@example.com", PASSWORD))).await;
    let count = |status| replies.iter().filter(|reply| reply.status == status).count();
    assert!(count(401) >= 1 && count(503) >= 1 && count(401) + count(503) == 8, "the bulkhead was in use");
}

#[actix_web::test]
async fn the_shop_may_ask_for_longer_passwords() {
    let mut settings = Settings::for_tests();
    settings.password_characters = 12;
    let house = House::with(settings);
    let register = |password: &str| {
        let body = json!({"email": "ada@example.com", "password": password, "name": "Ada"});
        let house = &house;
        async move { house.post("/v1/auth/register", body).await }
    };
    assert_eq!(register("four o'clock").await.status, 201);
    assert_eq!(register("five o'clo1").await.refusal(), (422, "password".to_owned(), "weak_password".to_owned()));
}
