//! The second factor: how it comes, what it is asked for, and how it goes.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]

mod common;

use actix_web::test::TestRequest;
use common::{House, PASSWORD, Reply};
use emporium_auth::Settings;
use emporium_kernel::Role;
use serde_json::{Value, json};
use totp_rs::{Algorithm, Builder, Secret};

const ADA: &str = "ada@example.com";

/// An authenticator that was told the secret.
struct Authenticator(totp_rs::Totp);

impl Authenticator {
    fn told(secret: &str) -> Self {
        let secret = Secret::try_from_base32(secret).expect("base32");
        let builder = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_step_duration(30);
        Self(builder.with_secret(secret).with_account_name("ada").build().expect("builds"))
    }

    fn code(&self, house: &House) -> String {
        self.0.generate(u64::try_from(house.clock.now().seconds()).expect("after 1970")).to_string()
    }
}

async fn with_token(house: &House, path: &str, token: &str, body: Value) -> Reply {
    let bearer = ("Authorization", format!("Bearer {token}"));
    house.send(TestRequest::post().uri(path).insert_header(bearer).set_json(body)).await
}

async fn login(house: &House, code: &str) -> Reply {
    house.post("/v1/auth/login", json!({"email": ADA, "password": PASSWORD, "code": code})).await
}

/// Sets a factor up for whoever has this token.
async fn enrolled(house: &House, token: &str) -> (Authenticator, Vec<String>) {
    let proposed = with_token(house, "/v1/me/totp", token, json!({"current_password": PASSWORD})).await;
    assert_eq!(proposed.status, 201, "{}", proposed.body);
    let authenticator = Authenticator::told(&proposed.text("secret"));
    let code = json!({"code": authenticator.code(house)});
    let confirmed = with_token(house, "/v1/me/totp/confirm", token, code).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.body);
    let codes = confirmed.body["recovery_codes"].as_array().expect("codes").iter();
    (authenticator, codes.map(|code| code.as_str().expect("text").to_owned()).collect())
}

#[actix_web::test]
async fn a_login_asks_for_the_factor_once_it_is_confirmed() {
    let house = House::new();
    let token = house.arrive(ADA).await.text("access_token");
    let proposed = with_token(&house, "/v1/me/totp", &token, json!({"current_password": PASSWORD})).await;
    assert!(proposed.text("uri").starts_with("otpauth://totp/emporium:ada%40example.com?"));
    assert_eq!(house.login(ADA, PASSWORD).await.status, 200, "not before it is confirmed");
    let (authenticator, recovery) = enrolled(&house, &token).await;
    assert_eq!(recovery.len(), 10);
    assert_eq!(
        house.as_user("GET", "/v1/me/totp", &token).await.body,
        json!({"enabled": true, "recovery_codes_left": 10})
    );

    assert_eq!(house.login(ADA, PASSWORD).await.refusal(), (401, String::new(), "second_factor_required".to_owned()));
    assert_eq!(login(&house, "000000").await.text("code"), "invalid_second_factor");
    assert_eq!(
        house.login(ADA, "wrong").await.text("code"),
        "invalid_credentials",
        "only the password's owner is asked"
    );
    house.pass(30);
    assert_eq!(login(&house, &authenticator.code(&house)).await.status, 200);
}

#[actix_web::test]
async fn each_code_is_good_once_and_none_before_it() {
    let house = House::new();
    let token = house.arrive(ADA).await.text("access_token");
    let (authenticator, recovery) = enrolled(&house, &token).await;
    let first = authenticator.code(&house);
    assert_eq!(login(&house, &first).await.text("code"), "invalid_second_factor", "it turned the factor on");
    house.pass(30);
    let before = authenticator.code(&house);
    house.pass(30);
    let now = authenticator.code(&house);
    assert_eq!(login(&house, &now).await.status, 200);
    assert_eq!(login(&house, &now).await.text("code"), "invalid_second_factor", "used");
    assert_eq!(login(&house, &before).await.text("code"), "invalid_second_factor", "older than one that was used");
    assert_eq!(login(&house, &recovery[0].to_uppercase()).await.status, 200);
    assert_eq!(login(&house, &recovery[0]).await.text("code"), "invalid_second_factor", "used");
    assert_eq!(house.as_user("GET", "/v1/me/totp", &token).await.body["recovery_codes_left"], 9);
}

#[actix_web::test]
async fn of_logins_with_one_code_at_the_same_time_one_succeeds() {
    let house = House::new();
    let token = house.arrive(ADA).await.text("access_token");
    let (authenticator, _) = enrolled(&house, &token).await;
    house.pass(30);
    let code = authenticator.code(&house);
    let all = futures_util::future::join_all((0..5).map(|_| login(&house, &code))).await;
    assert_eq!(all.iter().filter(|reply| reply.status == 200).count(), 1);
}

#[actix_web::test]
async fn guessing_codes_waits_like_guessing_passwords() {
    let house = House::new();
    let token = house.arrive(ADA).await.text("access_token");
    let (authenticator, _) = enrolled(&house, &token).await;
    for _ in 0..5 {
        assert_eq!(login(&house, "000000").await.text("code"), "invalid_second_factor");
    }
    house.pass(30);
    assert_eq!(login(&house, "000001").await.status, 401, "one try after the wait");
    assert_eq!(login(&house, &authenticator.code(&house)).await.status, 429, "also the right one has to wait");
    house.pass(60);
    assert_eq!(login(&house, &authenticator.code(&house)).await.status, 200);
}

#[actix_web::test]
async fn it_takes_password_and_factor_to_end_it() {
    let house = House::new();
    let token = house.arrive(ADA).await.text("access_token");
    let (authenticator, recovery) = enrolled(&house, &token).await;
    let disable = |password: &str, code: &str| {
        let body = json!({"current_password": password, "code": code});
        let (house, token) = (&house, &token);
        async move { with_token(house, "/v1/me/totp/disable", token, body).await }
    };
    house.pass(30);
    let code = authenticator.code(&house);
    let refusal = |field: &str, code: &str| (422, field.to_owned(), code.to_owned());
    assert_eq!(disable("wrong", &code).await.refusal(), refusal("current_password", "wrong_password"));
    assert_eq!(disable(PASSWORD, "000000").await.refusal(), refusal("code", "invalid_second_factor"));
    let again = with_token(&house, "/v1/me/totp", &token, json!({"current_password": PASSWORD})).await;
    assert_eq!(again.text("code"), "second_factor_exists", "nobody replaces it without ending it");
    let both = json!({"current_password": PASSWORD, "code": recovery[0]});
    let renewed = with_token(&house, "/v1/me/totp/recovery-codes", &token, both).await;
    assert_eq!(renewed.body["recovery_codes"].as_array().map(Vec::len), Some(10));
    assert_eq!(login(&house, &recovery[1]).await.status, 401, "those before are dead");
    assert_eq!(disable(PASSWORD, &code).await.status, 204);
    assert_eq!(house.login(ADA, PASSWORD).await.status, 200);
}

#[actix_web::test]
async fn roles_that_need_a_factor_are_not_there_without_one() {
    let mut settings = Settings::for_tests();
    settings.require_totp = [Role::Staff].into();
    let house = House::with(settings);
    let user = house.user(ADA, &[Role::Customer, Role::Staff]).await;
    house.user("root@example.com", &[Role::Admin]).await;
    let without = house.login(ADA, PASSWORD).await;
    let users = |token: String| {
        let house = &house;
        async move { house.as_user("GET", "/v1/admin/users", &token).await.status }
    };
    assert_eq!(users(without.text("access_token")).await, 403);
    enrolled(&house, &without.text("access_token")).await;
    let refreshed = house.refresh(&without.text("refresh_token")).await;
    assert_eq!(users(refreshed.text("access_token")).await, 200, "it was shown in this session");

    let admin = house.login("root@example.com", PASSWORD).await.text("access_token");
    let own = house.users.user(emporium_auth_api::FindUser::Email(common::address("root@example.com"))).await;
    let own = format!("/v1/admin/users/{}/totp", own.expect("is there").id);
    assert_eq!(house.as_user("DELETE", &own, &admin).await.text("code"), "own_factor");
    let reset = house.as_user("DELETE", &format!("/v1/admin/users/{}/totp", user.id), &admin).await;
    assert_eq!(reset.status, 204);
    assert_eq!(users(refreshed.text("access_token")).await, 401, "what was granted because of it is taken back");
    let after = house.refresh(&refreshed.text("refresh_token")).await;
    assert_eq!(users(after.text("access_token")).await, 403);
    let again = house.as_user("DELETE", &format!("/v1/admin/users/{}/totp", user.id), &admin).await;
    assert_eq!((again.status, again.text("code")), (409, "no_second_factor".to_owned()));
}

#[actix_web::test]
async fn neither_seed_nor_recovery_codes_stand_in_the_database() {
    let house = House::new();
    let token = house.arrive(ADA).await.text("access_token");
    let proposed = with_token(&house, "/v1/me/totp", &token, json!({"current_password": PASSWORD})).await;
    let (_, recovery) = enrolled(&house, &token).await;
    house.users.database().close();
    let stored = std::fs::read(house.file("auth.db")).expect("reads");
    let stored = String::from_utf8_lossy(&stored).into_owned();
    for secret in recovery.iter().chain([&proposed.text("secret")]) {
        let plain = secret.replace('-', "");
        assert!(!stored.contains(secret.as_str()) && !stored.to_lowercase().contains(&plain.to_lowercase()));
    }
}

#[actix_web::test]
async fn whoever_has_the_password_alone_cannot_guess_for_ever() {
    let house = House::new();
    let token = house.arrive(ADA).await.text("access_token");
    let (_, recovery) = enrolled(&house, &token).await;
    let guess =
        || with_token(&house, "/v1/me/totp/disable", &token, json!({"current_password": PASSWORD, "code": "000000"}));
    let mut wrong = 0;
    while guess().await.text("code") != "too_many_attempts" {
        wrong += 1;
        assert!(wrong < 30, "nothing stops it");
        // What a right password forgives are wrong passwords.
        assert_eq!(house.login(ADA, PASSWORD).await.text("code"), "second_factor_required");
    }
    let change = json!({"current_password": PASSWORD, "new_password": "coffee at five o'clock"});
    let refused = with_token(&house, "/v1/me/password", &token, change).await;
    assert_eq!(refused.refusal(), (422, "code".to_owned(), "second_factor_required".to_owned()));
    house.pass(60 * 60);
    assert_eq!(login(&house, &recovery[0]).await.status, 200, "the owner still gets in");
}

#[actix_web::test]
async fn of_many_guesses_at_once_few_are_looked_at() {
    let house = House::new();
    let token = house.arrive(ADA).await.text("access_token");
    let proposed = with_token(&house, "/v1/me/totp", &token, json!({"current_password": PASSWORD})).await;
    assert_eq!(proposed.status, 201);
    let guesses = (0..100).map(|_| with_token(&house, "/v1/me/totp/confirm", &token, json!({"code": "000000"})));
    let all = futures_util::future::join_all(guesses).await;
    assert!(all.iter().filter(|reply| reply.status == 422).count() <= 6, "the others have to wait");
    house.pass(15 * 60);
    let token = house.login(ADA, PASSWORD).await.text("access_token");
    let late = with_token(&house, "/v1/me/totp/confirm", &token, json!({"code": "000000"})).await;
    assert_eq!(late.text("code"), "no_second_factor", "a proposal does not live for ever");
}

#[actix_web::test]
async fn a_new_factor_ends_every_other_session() {
    let house = House::new();
    let before = house.arrive(ADA).await;
    let token = house.login(ADA, PASSWORD).await.text("access_token");
    enrolled(&house, &token).await;
    assert_eq!(house.refresh(&before.text("refresh_token")).await.status, 401);
    assert_eq!(house.me(&token).await.status, 200);
}

#[actix_web::test]
async fn whoever_is_stopped_by_a_strangers_guesses_is_helped_by_an_admin() {
    let house = House::new();
    let token = house.arrive(ADA).await.text("access_token");
    let (authenticator, _) = enrolled(&house, &token).await;
    for _ in 0..100 {
        assert_eq!(login(&house, "000000").await.status, 401);
        house.pass(16 * 60);
    }
    assert_eq!(login(&house, &authenticator.code(&house)).await.status, 429, "for good");
    let ada = emporium_auth_api::FindUser::Email(common::address(ADA));
    house.users.reset_factor(&emporium_kernel::Call::internal("test"), ada).await.expect("resets");
    let token = house.login(ADA, PASSWORD).await.text("access_token");
    let (authenticator, _) = enrolled(&house, &token).await;
    house.pass(30);
    assert_eq!(login(&house, &authenticator.code(&house)).await.status, 200);
}

#[actix_web::test]
async fn a_mailed_code_sets_the_password_and_leaves_the_factor() {
    let house = House::with_mail(Settings::for_tests()).await;
    let token = house.arrive(ADA).await.text("access_token");
    let (authenticator, _) = enrolled(&house, &token).await;
    assert_eq!(house.post("/v1/auth/password/forgot", json!({"email": ADA})).await.status, 202);
    let code = house.code().await;
    let new = "coffee at five o'clock";
    let reset = json!({"email": ADA, "code": code, "new_password": new});
    assert_eq!(house.post("/v1/auth/password/reset", reset).await.status, 204);
    assert_eq!(house.login(ADA, new).await.text("code"), "second_factor_required");
    house.pass(30);
    let both = json!({"email": ADA, "password": new, "code": authenticator.code(&house)});
    assert_eq!(house.post("/v1/auth/login", both).await.status, 200);
}
