//! A password that was forgotten: a code by mail, good once, for ten minutes and five tries.
#![expect(clippy::expect_used, reason = "a test that cannot be set up must stop")]

mod common;

use actix_web::test::TestRequest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{House, PASSWORD, Reply, address, password};
use emporium_auth::{MailTls, MailTransport, Settings};
use emporium_auth_api::FindUser;
use emporium_kernel::{Call, Role};
use futures_util::future::join_all;
use serde_json::json;

const ADA: &str = "ada@example.com";
const NEW: &str = "coffee at five o'clock";
const HOME: &str = "203.0.113.7";
const STRANGER: &str = "198.51.100.1";
const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

async fn house() -> House {
    let house = House::with_mail(Settings::for_tests()).await;
    house.register(ADA).await;
    house
}

async fn forgot(house: &House, email: &str) -> Reply {
    let reply = house.post("/v1/auth/password/forgot", json!({"email": email})).await;
    house.users.send_mail().await.expect("goes out");
    reply
}

async fn reset(house: &House, email: &str, code: &str) -> Reply {
    house.post("/v1/auth/password/reset", json!({"email": email, "code": code, "new_password": NEW})).await
}

fn wrong(code: &str) -> String {
    let number: u32 = code.parse().expect("digits");
    format!("{:06}", (number + 1) % 1_000_000)
}

#[actix_web::test]
async fn a_mailed_code_sets_a_new_password_once_and_ends_every_session() {
    let house = house().await;
    let login = house.login(ADA, PASSWORD).await;
    assert_eq!(
        (forgot(&house, " ADA@example.com").await.status, forgot(&house, "nobody@example.com").await.status),
        (202, 202)
    );
    let code = house.code().await;
    assert_eq!(house.mail().await.len(), 1, "nobody else got any");
    assert_eq!(reset(&house, ADA, &code).await.status, 204);
    assert_eq!(house.login(ADA, PASSWORD).await.status, 401);
    assert_eq!(house.login(ADA, NEW).await.status, 200);
    assert_eq!(house.refresh(&login.text("refresh_token")).await.status, 401);
    assert_eq!(reset(&house, ADA, &code).await.refusal().2, "invalid_code", "used");
    house.users.send_mail().await.expect("goes out");
    assert_eq!(house.mail().await[0]["subject"], "Your password was changed");
}

#[actix_web::test]
async fn known_and_unknown_addresses_get_the_same_answers() {
    let house = house().await;
    let (known, unknown) = (forgot(&house, ADA).await, forgot(&house, "nobody@example.com").await);
    assert_eq!((known.status, &known.body), (unknown.status, &unknown.body));
    let wrong = wrong(&house.code().await);
    // Nine in all, which is less than one place may try a minute.
    for _ in 0..4 {
        let (known, unknown) = (reset(&house, ADA, &wrong).await, reset(&house, "nobody@example.com", &wrong).await);
        assert_eq!((known.status, &known.body), (unknown.status, &unknown.body));
    }
}

/// The same from an address.
async fn reset_from(house: &House, place: &str, email: &str, code: &str) -> Reply {
    let body = json!({"email": email, "code": code, "new_password": NEW});
    let request = TestRequest::post().uri("/v1/auth/password/reset").set_json(body);
    house.send_for(from(place), request).await
}

fn from(place: &str) -> Call {
    let mut call = Call::internal("test");
    call.peer = Some(place.parse().expect("an address"));
    call
}

#[actix_web::test]
async fn a_hundred_guesses_at_once_are_five_tries_wherever_they_come_from() {
    let house = house().await;
    forgot(&house, ADA).await;
    let code = house.code().await;
    let wrong = wrong(&code);
    let places: Vec<String> = (0..100).map(|n| format!("203.0.113.{n}")).collect();
    let guesses = join_all(places.iter().map(|place| reset_from(&house, place, ADA, &wrong))).await;
    assert!(guesses.iter().all(|guess| guess.refusal().2 == "invalid_code" || guess.status == 429));
    let late = reset_from(&house, "198.51.100.1", ADA, &code).await;
    assert!(late.refusal().2 == "invalid_code" || late.status == 429, "the right one comes too late: {late:?}");
    house.pass(24 * 60 * 60);
    forgot(&house, ADA).await;
    let next = house.code().await;
    for n in 0..4 {
        let guess = reset_from(&house, &format!("192.0.2.{n}"), ADA, &self::wrong(&next)).await;
        assert_eq!(guess.refusal().2, "invalid_code");
    }
    assert_eq!(reset_from(&house, "192.0.2.9", ADA, &next).await.status, 204, "the fifth try may be right");
}

#[actix_web::test]
async fn one_place_guesses_ten_times_a_minute_whosever_code_it_is() {
    let house = house().await;
    let guess =
        async |n: usize| reset_from(&house, "203.0.113.7", &format!("user{n}@example.com"), "123456").await.status;
    for n in 0..10 {
        assert_eq!(guess(n).await, 422);
    }
    assert_eq!(guess(10).await, 429);
}

/// A house to whose owner nobody is a stranger at home.
async fn house_with_a_home() -> House {
    let house = house().await;
    let login = json!({"email": ADA, "password": PASSWORD});
    let at_home = TestRequest::post().uri("/v1/auth/login").set_json(login);
    assert_eq!(house.send_for(from(HOME), at_home).await.status, 200);
    house
}

/// Asks for a code; how many were mailed by then.
async fn forgot_from(house: &House, place: &str) -> usize {
    let wish = TestRequest::post().uri("/v1/auth/password/forgot").set_json(json!({"email": ADA}));
    assert_eq!(house.send_for(from(place), wish).await.status, 202, "whether one is mailed or not");
    house.mail().await.len()
}

/// Asks for a code each time after so many seconds, when so many are to have been mailed.
async fn keep_asking(house: &House, place: &str, steps: &[(u64, usize)]) {
    for (step, (wait, mailed)) in steps.iter().enumerate() {
        house.pass(*wait);
        assert_eq!(forgot_from(house, place).await, *mailed, "step {step}");
    }
}

#[actix_web::test]
async fn strangers_neither_use_up_nor_hold_up_the_codes_of_an_owner_at_home() {
    let house = house_with_a_home().await;
    for (n, mailed) in [1, 2, 3, 3].into_iter().enumerate() {
        let place = format!("198.51.100.{n}");
        assert_eq!(forgot_from(&house, &place).await, mailed, "three an hour for all strangers together");
        house.pass(60);
    }
    for mailed in [4, 5, 5] {
        assert_eq!(forgot_from(&house, HOME).await, mailed, "the owner gets what is left of five");
        house.pass(60);
    }
    let code = house.code().await;
    for n in 0..10 {
        reset_from(&house, &format!("198.51.100.{n}"), ADA, &wrong(&code)).await;
    }
    assert_eq!(reset_from(&house, "198.51.100.99", ADA, &code).await.status, 422, "it is good at home alone");
    assert_eq!(reset_from(&house, HOME, ADA, &code).await.status, 204);
}

#[actix_web::test]
async fn strangers_get_three_codes_in_any_hour_and_six_in_any_day() {
    let house = house().await;
    let an_hour = [
        (0, 1),
        (20 * 60, 2),
        (20 * 60, 3),
        // The first is a second short of an hour old, then an hour; the second is not.
        (20 * 60 - 1, 3),
        (1, 4),
        (60, 4),
        (19 * 60, 5),
        (20 * 60, 6),
    ];
    keep_asking(&house, STRANGER, &an_hour).await;
    // 100 minutes have passed.
    let a_day = [
        // None is less than an hour old.
        (HOUR, 6),
        (DAY - 160 * 60 - 1, 6),
        (1, 7),
        (60, 7),
        (19 * 60, 8),
    ];
    keep_asking(&house, STRANGER, &a_day).await;
}

#[actix_web::test]
async fn a_user_gets_five_codes_in_any_hour_and_ten_in_any_day() {
    let house = house_with_a_home().await;
    let an_hour = [
        (0, 1),
        (600, 2),
        (600, 3),
        (600, 4),
        (600, 5),
        (600, 5),
        // The first is a second short of an hour old, then an hour; the second is not.
        (599, 5),
        (1, 6),
        (60, 6),
        (540, 7),
        (600, 8),
        (600, 9),
        (600, 10),
    ];
    keep_asking(&house, HOME, &an_hour).await;
    // 100 minutes have passed.
    let a_day = [
        // None is less than an hour old.
        (HOUR, 10),
        (DAY - 160 * 60 - 1, 10),
        (1, 11),
        (60, 11),
        (540, 12),
    ];
    keep_asking(&house, HOME, &a_day).await;
    assert_eq!(forgot_from(&house, STRANGER).await, 12, "strangers get none besides");
}

#[actix_web::test]
async fn strangers_who_asked_all_day_leave_four_codes_to_an_owner_at_home() {
    let house = house_with_a_home().await;
    keep_asking(&house, STRANGER, &[(0, 1), (60, 2), (60, 3), (HOUR, 4), (60, 5), (60, 6), (HOUR, 6)]).await;
    // Two hours and four minutes have passed.
    keep_asking(&house, HOME, &[(0, 7), (60, 8), (60, 9), (60, 10), (60, 10)]).await;
    keep_asking(&house, HOME, &[(DAY - 2 * HOUR - 8 * 60 - 1, 10), (1, 11)]).await;
    assert_eq!(forgot_from(&house, STRANGER).await, 11, "the one that is free again was the owner's");
}

#[actix_web::test]
async fn when_a_code_was_sent_is_forgotten_after_a_day_and_with_the_user() {
    let house = house().await;
    forgot(&house, ADA).await;
    house.pass(DAY - 1);
    house.users.sweep().await.expect("sweeps");
    assert_eq!(house.sent_codes().await.len(), 1, "it still counts");
    house.pass(2);
    house.users.sweep().await.expect("sweeps");
    assert_eq!(house.sent_codes().await.len(), 0);

    forgot(&house, ADA).await;
    assert_eq!((house.sent_codes().await.len(), house.stored_secrets().await.1.len()), (1, 1));
    let bearer = ("Authorization", format!("Bearer {}", house.login(ADA, PASSWORD).await.text("access_token")));
    let erase = TestRequest::post().uri("/v1/me/erase").set_json(json!({"current_password": PASSWORD}));
    assert_eq!(house.send(erase.insert_header(bearer)).await.status, 204);
    assert_eq!((house.sent_codes().await.len(), house.stored_secrets().await.1.len()), (0, 0));
}

#[actix_web::test]
async fn a_code_that_came_too_late_is_not_sent() {
    let house = house().await;
    house.post("/v1/auth/password/forgot", json!({"email": ADA})).await;
    house.pass(601);
    house.users.sweep().await.expect("sweeps");
    house.users.send_mail().await.expect("goes out");
    assert!(house.mail().await.is_empty());
}

#[actix_web::test]
async fn of_the_same_code_sent_ten_times_at_once_one_sets_the_password() {
    let house = house().await;
    forgot(&house, ADA).await;
    let code = house.code().await;
    let all = join_all((0..5).map(|_| reset(&house, ADA, &code))).await;
    assert_eq!(all.iter().filter(|reply| reply.status == 204).count(), 1);
}

#[actix_web::test]
async fn a_code_ends_after_ten_minutes_and_with_the_next_one() {
    let house = house().await;
    forgot(&house, ADA).await;
    let first = house.code().await;
    forgot(&house, ADA).await;
    assert_eq!(house.mail().await.len(), 1, "the next one comes a minute later at the earliest");
    house.pass(60);
    forgot(&house, ADA).await;
    let second = house.code().await;
    assert_eq!(house.mail().await.len(), 2);
    if first != second {
        assert_eq!(reset(&house, ADA, &first).await.status, 422);
    }
    house.pass(600);
    assert_eq!(reset(&house, ADA, &second).await.status, 422, "ten minutes have passed");
}

#[actix_web::test]
async fn a_new_password_is_as_good_as_any_and_a_refused_one_costs_no_code() {
    let house = house().await;
    forgot(&house, ADA).await;
    let code = house.code().await;
    for weak in ["short", "ada@example.com", "password123"] {
        let body = json!({"email": ADA, "code": code, "new_password": weak});
        let refused = house.post("/v1/auth/password/reset", body).await;
        assert_eq!((refused.status, refused.refusal().1.as_str()), (422, "new_password"), "{weak}");
    }
    assert_eq!(reset(&house, ADA, &code).await.status, 204);
}

/// Somebody asked for a code, and there is no mail server where one should be.
async fn house_with_a_letter_that_waits() -> House {
    let mut settings = Settings::for_tests();
    (settings.mail.transport, settings.mail.tls, settings.mail.port) = (MailTransport::Smtp, MailTls::None, 1);
    (settings.mail.host, settings.mail.from) = ("localhost".to_owned(), "shop@example.com".to_owned());
    let house = House::with(settings);
    house.register(ADA).await;
    house.post("/v1/auth/password/forgot", json!({"email": ADA})).await;
    house.users.send_mail().await.expect("is put off");
    assert_eq!(house.users.waiting_mail().await.expect("reads").in_vain, 1);
    house
}

#[actix_web::test]
async fn a_letter_that_no_server_took_in_time_is_given_up() {
    let house = house_with_a_letter_that_waits().await;
    house.pass(300);
    house.users.send_mail().await.expect("is put off again");
    assert_eq!(house.users.waiting_mail().await.expect("reads").all, 1);
    house.pass(300);
    house.users.send_mail().await.expect("is given up");
    assert_eq!(house.users.waiting_mail().await.expect("reads").all, 0, "its code is good no more");
}

#[actix_web::test]
async fn codes_and_letters_are_stored_hashed_and_sealed() {
    let house = house_with_a_letter_that_waits().await;
    let (letters, hashes) = house.stored_secrets().await;
    assert_eq!((letters.len(), hashes.len()), (1, 1));
    let bytes = URL_SAFE_NO_PAD.decode(&letters[0]).expect("base64url");
    for readable in ["ada", "kind", "code"] {
        assert!(!bytes.windows(readable.len()).any(|part| part == readable.as_bytes()), "{readable} can be read");
    }
    assert_eq!(hashes[0].len(), 43, "a keyed hash");
}

#[actix_web::test]
async fn who_changes_a_password_while_it_is_being_reset_changes_nothing() {
    let house = house().await;
    for round in 0..30 {
        let (old, operators) = (format!("tea at {round} o'clock"), format!("coffee at {} o'clock", round + 1));
        house
            .users
            .set_password(&Call::internal("test"), FindUser::Email(address(ADA)), password(&old))
            .await
            .expect("sets");
        let token = house.login(ADA, &old).await.text("access_token");
        let thief = change(&house, &token, &old, "my own long phrase");
        let call = Call::internal("test");
        let operator = house.users.set_password(&call, FindUser::Email(address(ADA)), password(&operators));
        let (_, set) = futures_util::future::join(thief, operator).await;
        set.expect("sets");
        assert_eq!(house.login(ADA, &operators).await.status, 200, "round {round}: whichever came first");
    }
}

#[actix_web::test]
async fn without_a_mailer_nobody_is_promised_a_mail() {
    let house = House::new();
    house.register(ADA).await;
    for email in [ADA, "nobody@example.com"] {
        let refused = house.post("/v1/auth/password/forgot", json!({"email": email})).await;
        assert_eq!((refused.status, refused.text("code").as_str()), (503, "no_mail"));
    }
    house.user("sam@example.com", &[Role::Staff]).await;
    let staff = house.login("sam@example.com", PASSWORD).await.text("access_token");
    assert_eq!(house.as_user("GET", "/v1/admin/mail", &staff).await.status, 404);
}

async fn change(house: &House, token: &str, current: &str, new: &str) -> Reply {
    let bearer = ("Authorization", format!("Bearer {token}"));
    let body = json!({"current_password": current, "new_password": new});
    house.send(TestRequest::post().uri("/v1/me/password").insert_header(bearer).set_json(body)).await
}

#[actix_web::test]
async fn a_user_changes_the_password_with_the_current_one_and_stays_logged_in_here_alone() {
    let house = house().await;
    let (here, there) = (house.login(ADA, PASSWORD).await, house.login(ADA, PASSWORD).await);
    let token = here.text("access_token");
    assert_eq!(change(&house, &token, "wrong password", NEW).await.refusal().1, "current_password");
    assert_eq!(change(&house, &token, PASSWORD, "short").await.refusal().1, "new_password");
    assert_eq!(change(&house, &token, PASSWORD, NEW).await.status, 204);
    assert_eq!(house.refresh(&there.text("refresh_token")).await.status, 401);
    assert_eq!(house.refresh(&here.text("refresh_token")).await.status, 200);
    assert_eq!(house.login(ADA, NEW).await.status, 200);
    house.users.send_mail().await.expect("goes out");
    assert_eq!(house.mail().await[0]["subject"], "Your password was changed");
    for _ in 0..5 {
        let token = house.login(ADA, NEW).await.text("access_token");
        assert_eq!(change(&house, &token, NEW, NEW).await.status, 204, "the same one is no harm");
    }
    let token = house.login(ADA, NEW).await.text("access_token");
    for _ in 0..5 {
        change(&house, &token, "wrong password", NEW).await;
    }
    assert_eq!(change(&house, &token, NEW, NEW).await.status, 429, "guessing here takes as long as at the login");
}
