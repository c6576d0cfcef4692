//! Addresses that are proved: by whoever registers, where that is asked for, and by whoever wants another one.
#![expect(clippy::expect_used, reason = "a test that cannot be set up must stop")]

mod common;

use actix_web::test::TestRequest;
use common::{House, PASSWORD, Reply};
use emporium_auth::Settings;
use emporium_kernel::Role;
use futures_util::future::join_all;
use serde_json::{Value, json};

const ADA: &str = "ada@example.com";

async fn house(verify_email: bool) -> House {
    let mut settings = Settings::for_tests();
    settings.verify_email = verify_email;
    settings.registrations_a_minute = 0;
    House::with_mail(settings).await
}

async fn confirm(house: &House, claim: &str, code: &str) -> Reply {
    house.post("/v1/auth/register/confirm", json!({"claim": claim, "code": code})).await
}

fn wrong(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().expect("digits") + 1) % 1_000_000)
}

async fn with_token(house: &House, path: &str, token: &str, body: Value) -> Reply {
    let bearer = ("Authorization", format!("Bearer {token}"));
    house.send(TestRequest::post().uri(path).insert_header(bearer).set_json(body)).await
}

#[actix_web::test]
async fn whoever_registers_is_a_user_once_the_code_came_back() {
    let house = house(true).await;
    let asked = house.register(ADA).await;
    assert_eq!(asked.status, 202);
    let code = house.code().await;
    assert_eq!(house.login(ADA, PASSWORD).await.status, 401, "not yet");
    assert_eq!(confirm(&house, &asked.text("claim"), &wrong(&code)).await.refusal().2, "invalid_code");
    assert_eq!(confirm(&house, "another's", &code).await.refusal().2, "invalid_code", "bound to who asked");
    let made = confirm(&house, &asked.text("claim"), &code).await;
    assert_eq!((made.status, &made.body["user"]["email"]), (201, &json!(ADA)));
    assert_eq!(made.body["user"]["roles"], json!(["customer"]));
    assert_eq!(house.login(ADA, PASSWORD).await.status, 200);
    assert_eq!(confirm(&house, &asked.text("claim"), &code).await.status, 422, "used");
}

#[actix_web::test]
async fn known_and_new_addresses_get_the_same_answer() {
    let house = house(true).await;
    house.user(ADA, &[Role::Customer]).await;
    let (known, new) = (house.register(ADA).await, house.register("new@example.com").await);
    let shape =
        |reply: &Reply| (reply.status, reply.text("claim").len(), reply.body.as_object().map(serde_json::Map::len));
    assert_eq!((shape(&known), shape(&new)), ((202, 43, Some(1)), (202, 43, Some(1))));
    let sent = house.mail().await;
    let to = |email: &str| sent.iter().find(|mail| mail["to"] == email).expect("a mail")["subject"].clone();
    assert_eq!((to(ADA), to("new@example.com")), (json!("You have an account already"), json!("Your code")));
    assert_eq!(confirm(&house, &known.text("claim"), "000000").await.status, 422);
}

#[actix_web::test]
async fn a_code_takes_five_tries_and_ten_minutes_and_an_address_one_mail_a_minute() {
    let house = house(true).await;
    let asked = house.register(ADA).await;
    let code = house.code().await;
    let (claim, guess) = (asked.text("claim"), wrong(&code));
    let guesses = join_all((0..30).map(|_| confirm(&house, &claim, &guess))).await;
    assert!(guesses.iter().all(|guess| matches!(guess.status, 422 | 429)));
    house.pass(60);
    assert_eq!(confirm(&house, &asked.text("claim"), &code).await.refusal().2, "invalid_code", "guessed at too often");

    let again = house.register(ADA).await;
    let sent = house.mail().await.len();
    house.register(ADA).await;
    assert_eq!(house.mail().await.len(), sent, "none so soon after the last");
    let code = house.code().await;
    house.pass(10 * 60);
    assert_eq!(confirm(&house, &again.text("claim"), &code).await.status, 422, "too old");
    for _ in 0..20 {
        house.pass(61);
        house.register(ADA).await;
        house.users.send_mail().await.expect("goes out");
    }
    assert_eq!(house.mail().await.iter().filter(|mail| mail["to"] == ADA).count(), 10, "ten a day");
}

#[actix_web::test]
async fn two_who_register_one_address_have_codes_of_their_own() {
    let house = house(true).await;
    let eve =
        house.post("/v1/auth/register", json!({"email": ADA, "password": "a stranger's words", "name": "Eve"})).await;
    let eves = house.code().await;
    house.pass(61);
    let ada = house.register(ADA).await;
    let adas = house.code().await;
    assert_eq!(confirm(&house, &ada.text("claim"), &eves).await.status, 422, "a code for another's password");
    assert_eq!(confirm(&house, &ada.text("claim"), &adas).await.status, 201);
    assert_eq!(confirm(&house, &eve.text("claim"), &eves).await.refusal().2, "email_taken");
    assert_eq!(house.login(ADA, PASSWORD).await.status, 200);
}

#[actix_web::test]
async fn another_address_is_the_users_once_it_is_proved_and_the_old_one_is_told() {
    let house = house(false).await;
    let token = house.arrive(ADA).await.text("access_token");
    let ask = |email: &str, password: &str| {
        let body = json!({"email": email, "current_password": password});
        let (house, token) = (&house, &token);
        async move { with_token(house, "/v1/me/email", token, body).await }
    };
    assert_eq!(ask("new@example.com", "wrong").await.refusal().1, "current_password");
    let asked = ask("new@example.com", PASSWORD).await;
    assert_eq!(asked.status, 202);
    let code = house.code().await;
    let body = json!({"claim": asked.text("claim"), "code": code});
    let eve = house.arrive("eve@example.com").await.text("access_token");
    assert_eq!(with_token(&house, "/v1/me/email/confirm", &eve, body.clone()).await.status, 422, "not hers");
    assert_eq!(confirm(&house, &asked.text("claim"), &code).await.status, 422, "not a registration");
    let changed = with_token(&house, "/v1/me/email/confirm", &token, body).await;
    assert_eq!((changed.status, changed.text("email")), (200, "new@example.com".to_owned()));
    assert_eq!(house.me(&token).await.text("email"), "new@example.com");
    let told = &house.mail().await[0];
    assert_eq!((&told["to"], &told["subject"]), (&json!(ADA), &json!("Your account has another address")));
    assert_eq!(
        (house.login(ADA, PASSWORD).await.status, house.login("new@example.com", PASSWORD).await.status),
        (401, 200)
    );

    house.pass(61);
    let taken = ask("eve@example.com", PASSWORD).await;
    assert_eq!(taken.status, 202, "nobody learns whose address it is");
    assert_eq!(house.mail().await[0]["subject"], "You have an account already");
}

#[test]
fn proving_needs_a_way_to_write() {
    let mut settings = Settings::default();
    settings.verify_email = true;
    assert!(settings.check().is_err());
}
