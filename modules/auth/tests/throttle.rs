//! Guessing passwords: each wrong one makes the next wait longer, and nobody locks an owner out.
#![expect(clippy::expect_used, reason = "a test that cannot be set up must stop")]

mod common;

use std::net::IpAddr;

use actix_web::test::TestRequest;
use common::{House, PASSWORD, Reply};
use emporium_auth::Settings;
use emporium_kernel::Call;
use serde_json::json;

const ADA: &str = "ada@example.com";
const HOME: &str = "203.0.113.7";
const ELSEWHERE: &str = "198.51.100.9";

/// Logs in from an address.
async fn from(house: &House, place: &str, email: &str, password: &str) -> Reply {
    let mut call = Call::internal("test");
    call.peer = Some(place.parse::<IpAddr>().expect("an address"));
    let request = TestRequest::post().uri("/v1/auth/login").set_json(json!({"email": email, "password": password}));
    house.send_for(call, request).await
}

fn wait(reply: &Reply) -> u64 {
    assert_eq!((reply.status, reply.text("code").as_str()), (429, "too_many_attempts"));
    let header = reply.headers.get("retry-after").expect("says when to come back");
    header.to_str().expect("text").parse().expect("seconds")
}

#[actix_web::test]
async fn the_sixth_wrong_password_in_a_row_has_to_wait_and_so_has_the_right_one() {
    for email in [ADA, "nobody@example.com"] {
        let house = House::new();
        house.register(ADA).await;
        for _ in 0..5 {
            assert_eq!(from(&house, HOME, email, "wrong password").await.status, 401);
        }
        assert_eq!(wait(&from(&house, HOME, email, PASSWORD).await), 2, "{email}: a second, and a little");
        house.pass(1);
        assert_eq!(from(&house, HOME, email, "wrong password").await.status, 401);
        assert!(wait(&from(&house, HOME, email, PASSWORD).await) > 2, "{email}: twice as long");
    }
}

#[actix_web::test]
async fn of_a_hundred_guesses_at_the_same_moment_no_more_are_made_than_one_by_one_and_a_few() {
    for email in [ADA, "nobody@example.com"] {
        let mut settings = Settings::for_tests();
        (settings.hashing_at_once, settings.hashing_waiting) = (64, 200);
        let house = House::with(settings);
        house.register(ADA).await;
        let guesses = (0..100).map(|_| from(&house, HOME, email, "wrong password"));
        let replies = futures_util::future::join_all(guesses).await;
        let made = replies.iter().filter(|reply| reply.status == 401).count();
        assert!((5..=9).contains(&made), "{email}: {made}");
        assert!(replies.iter().all(|reply| [401, 429].contains(&reply.status)));
    }
}

#[actix_web::test]
async fn a_try_that_there_was_no_room_for_is_no_failure_and_is_not_waited_for() {
    let house = House::new();
    house.register(ADA).await;
    for _ in 0..8 {
        house.pass(900);
        assert_eq!(from(&house, HOME, ADA, "wrong password").await.status, 401);
    }
    let mut settings = Settings::for_tests();
    (settings.hashing_at_once, settings.hashing_waiting) = (1, 0);
    // A new password takes long enough that somebody logs in meanwhile.
    (settings.argon2_memory_kib, settings.argon2_passes) = (64 * 1024, 10);
    let house = house.again_with(settings);
    house.pass(900);
    let bob = json!({"email": "bob@example.com", "password": PASSWORD, "name": "Bob"});
    // The login finds room at first, and none when it comes to hashing.
    let (login, registered) = (from(&house, HOME, ADA, PASSWORD), house.post("/v1/auth/register", bob));
    let (login, registered) = futures_util::future::join(login, registered).await;
    assert_eq!((login.status, registered.status), (503, 201));
    assert_eq!(from(&house, HOME, ADA, PASSWORD).await.status, 200, "at once");
}

#[actix_web::test]
async fn a_success_forgets_the_failures_before_it() {
    let house = House::new();
    house.register(ADA).await;
    for _ in 0..10 {
        for _ in 0..4 {
            assert_eq!(from(&house, HOME, ADA, "wrong password").await.status, 401);
        }
        assert_eq!(from(&house, HOME, ADA, PASSWORD).await.status, 200);
    }
}

#[actix_web::test]
async fn of_many_who_waited_only_one_may_try() {
    let house = House::new();
    house.register(ADA).await;
    for _ in 0..5 {
        from(&house, HOME, ADA, "wrong password").await;
    }
    house.pass(60);
    let tries = (0..20).map(|_| from(&house, HOME, ADA, "wrong password"));
    let replies = futures_util::future::join_all(tries).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 401).count(), 1);
}

#[actix_web::test]
async fn a_stranger_does_not_lock_the_owner_out_where_the_owner_was_before() {
    let house = House::new();
    house.register(ADA).await;
    assert_eq!(from(&house, HOME, ADA, PASSWORD).await.status, 200);
    let mut tried = 0;
    for n in 0..200 {
        let stranger = format!("2001:db8:0:{n:x}::1");
        tried += usize::from(from(&house, &stranger, ADA, "wrong password").await.status == 401);
    }
    assert_eq!(tried, 20, "strangers share a counter, wherever they are");
    assert!(wait(&from(&house, ELSEWHERE, ADA, PASSWORD).await) > 0, "and whoever is new has to wait with them");
    assert_eq!(from(&house, HOME, ADA, PASSWORD).await.status, 200);
}

#[actix_web::test]
async fn one_address_registers_and_logs_in_so_often_a_minute() {
    let mut settings = Settings::for_tests();
    (settings.logins_a_minute, settings.registrations_a_minute) = (3, 2);
    let house = House::with(settings);
    let register = async |n: usize| house.register(&format!("user{n}@example.com")).await.status;
    assert_eq!([register(0).await, register(1).await, register(2).await], [201, 201, 429]);
    for _ in 0..3 {
        assert_eq!(from(&house, HOME, "user0@example.com", PASSWORD).await.status, 200);
    }
    assert!(wait(&from(&house, HOME, "user0@example.com", PASSWORD).await) > 0);
    assert_eq!(from(&house, ELSEWHERE, "user0@example.com", PASSWORD).await.status, 200);
    house.pass(60);
    assert_eq!([register(3).await, from(&house, HOME, "user0@example.com", PASSWORD).await.status], [201, 200]);
}
