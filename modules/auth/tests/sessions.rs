//! Refresh tokens: rotated on every use, and what happens when one comes again.
#![expect(clippy::expect_used, reason = "a test that cannot be set up must stop")]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::{House, PASSWORD, START, sessions};
use emporium_auth::Settings;
use emporium_database::prelude::*;
use emporium_kernel::{Authenticator, Freshness};
use futures_util::future::join_all;
use serde_json::json;

const DAY: u64 = 24 * 60 * 60;

#[actix_web::test]
async fn each_refresh_gives_new_tokens_of_the_same_session() {
    let house = House::new();
    let login = house.arrive("ada@example.com").await;
    house.pass(60);
    let next = house.refresh(&login.text("refresh_token")).await;
    assert_eq!(
        (next.status, next.headers.get("cache-control").expect("a header").as_bytes()),
        (200, b"no-store".as_slice())
    );
    assert_ne!(next.text("refresh_token"), login.text("refresh_token"));
    let session = async |token: String| {
        house.verifier.authenticate(token, Freshness::Recent).await.expect("valid").session.clone()
    };
    assert_eq!(session(login.text("access_token")).await, session(next.text("access_token")).await);
    assert_eq!(house.refresh(&next.text("refresh_token")).await.status, 200);
}

#[actix_web::test]
async fn a_lost_response_is_given_again_with_the_same_successor() {
    let house = House::new();
    let first = house.arrive("ada@example.com").await.text("refresh_token");
    let answered = house.refresh(&first).await;
    house.pass(9);
    let again = house.refresh(&first).await;
    assert_eq!((again.status, again.text("refresh_token")), (200, answered.text("refresh_token")));
    assert_eq!(house.refresh(&again.text("refresh_token")).await.status, 200);
}

#[actix_web::test]
async fn a_used_token_ends_the_session_after_the_grace() {
    let house = House::new();
    let first = house.arrive("ada@example.com").await.text("refresh_token");
    let second = house.refresh(&first).await.text("refresh_token");
    house.pass(10);
    assert_eq!(house.refresh(&first).await.refusal().2, "invalid_refresh_token");
    assert_eq!(house.ends().await, [Some("reuse".to_owned())]);
    assert_eq!(house.refresh(&second).await.status, 401, "whoever holds it is out as well");
    assert_eq!(house.login("ada@example.com", PASSWORD).await.status, 200, "another session can begin");
}

#[actix_web::test]
async fn an_older_token_ends_the_session_even_within_the_grace() {
    let house = House::new();
    let first = house.arrive("ada@example.com").await.text("refresh_token");
    let second = house.refresh(&first).await.text("refresh_token");
    let third = house.refresh(&second).await.text("refresh_token");
    assert_eq!(house.refresh(&first).await.status, 401);
    assert_eq!(house.refresh(&third).await.status, 401);
}

#[actix_web::test]
async fn without_grace_every_second_use_ends_the_session() {
    let mut settings = Settings::for_tests();
    settings.refresh_grace_secs = 0;
    let house = House::with(settings);
    let first = house.arrive("ada@example.com").await.text("refresh_token");
    let second = house.refresh(&first).await.text("refresh_token");
    house.time.advance(std::time::Duration::from_micros(1));
    assert_eq!(house.refresh(&first).await.status, 401);
    assert_eq!(house.refresh(&second).await.status, 401);
}

#[actix_web::test]
async fn fifty_refreshes_at_once_yield_one_successor() {
    let house = House::new();
    let first = house.arrive("ada@example.com").await.text("refresh_token");
    let replies = join_all((0..50).map(|_| house.refresh(&first))).await;
    assert!(replies.iter().all(|reply| reply.status == 200));
    let successors: BTreeSet<String> = replies.iter().map(|reply| reply.text("refresh_token")).collect();
    assert_eq!(successors.len(), 1);
    let access: BTreeSet<String> = replies.iter().map(|reply| reply.text("access_token")).collect();
    assert_eq!(access.len(), 50, "each access token is one of a kind");
    house.pass(11);
    let successor = successors.first().expect("one");
    assert_eq!(house.refresh(successor).await.status, 200);
}

/// Begins so many more sessions of the only user, a microsecond apart, and the first `dead` of them were left alone since.
async fn crowd(house: &House, sessions: u32, dead: u32) {
    let many = format!(
        "create table number as
            with recursive counted(n) as (select 1 union all select n + 1 from counted where n < {sessions})
            select n from counted;
        insert into sessions (id, user_id, refresh_hash, rotated_at, created_at, expires_at)
        select printf('ses_0%025d', n), s.user_id, printf('%043d', n),
            case when n <= {dead} then 0 else s.rotated_at + n end, s.created_at + n, s.expires_at
        from number join (select * from sessions order by created_at limit 1) s;
        drop table number;"
    );
    let fill =
        move |db: &mut emporium_database::Db| Ok(diesel::connection::SimpleConnection::batch_execute(db, &many)?);
    house.users.database().write::<_, emporium_kernel::Outage, _>(fill).await.expect("is written");
    house.pass(1);
}

/// The sessions that have not ended.
async fn going_on(house: &House) -> i64 {
    let count = |db: &mut emporium_database::Db| {
        let going_on = sessions::table.filter(sessions::end_reason.is_null());
        Ok(going_on.count().get_result(db)?)
    };
    house.users.database().read::<_, emporium_kernel::Outage, _>(count).await.expect("is read")
}

/// Nobody has more sessions than can be looked through and ended at once.
#[actix_web::test]
async fn of_more_than_a_hundred_sessions_of_a_user_the_oldest_end() {
    let house = House::new();
    let first = house.arrive("ada@example.com").await;
    house.pass(1);
    let second = house.login("ada@example.com", PASSWORD).await;
    crowd(&house, 98, 0).await;
    let is_good = async |login: &common::Reply| {
        house.verifier.authenticate(login.text("access_token"), Freshness::Now).await.is_ok()
    };
    assert!(is_good(&first).await);
    assert_eq!(house.login("ada@example.com", PASSWORD).await.status, 200);
    assert_eq!((is_good(&first).await, is_good(&second).await), (false, true));
    assert_eq!(house.refresh(&first.text("refresh_token")).await.status, 401);
    assert_eq!(house.refresh(&second.text("refresh_token")).await.status, 200);
}

#[actix_web::test]
async fn sessions_that_were_left_alone_end_before_any_that_is_in_use() {
    let house = House::new();
    let first = house.arrive("ada@example.com").await;
    crowd(&house, 99, 2).await;
    assert_eq!(house.login("ada@example.com", PASSWORD).await.status, 200);
    assert_eq!(house.refresh(&first.text("refresh_token")).await.status, 200, "it is the oldest in use");
    assert_eq!(going_on(&house).await, 99);
}

#[actix_web::test]
async fn who_had_more_sessions_has_a_hundred_after_some_logins() {
    let house = House::new();
    house.arrive("ada@example.com").await;
    crowd(&house, 1_500, 0).await;
    let mut left = Vec::new();
    for _ in 0..3 {
        assert_eq!(house.login("ada@example.com", PASSWORD).await.status, 200);
        left.push(going_on(&house).await);
    }
    assert_eq!(left, [601, 100, 100]);
}

#[actix_web::test]
async fn invented_tokens_are_refused_and_end_nobodys_session() {
    let house = House::new();
    let token = house.arrive("ada@example.com").await.text("refresh_token");
    let session = token.split('.').next().expect("a session");
    let seal = token.rsplit('.').next().expect("a seal");
    let zeros = "A".repeat(43);
    let invented = [
        format!("{session}.{zeros}.{zeros}"),
        format!("{session}.{zeros}.{seal}"),
        token.replacen(session, "ses_01hzzzzzzzzzzzzzzzzzzzzzzz", 1),
        token.to_uppercase(),
        format!("{token}x"),
        "x".repeat(60_000),
        String::new(),
    ];
    for bad in &invented {
        assert_eq!(house.refresh(bad).await.refusal(), (401, String::new(), "invalid_refresh_token".to_owned()));
        assert_eq!(house.post("/v1/auth/logout", json!({"refresh_token": bad})).await.status, 204);
    }
    assert_eq!(house.refresh(&token).await.status, 200);
}

#[actix_web::test]
async fn access_and_refresh_tokens_do_not_stand_in_for_each_other() {
    let house = House::new();
    let login = house.arrive("ada@example.com").await;
    assert_eq!(house.me(&login.text("refresh_token")).await.status, 401);
    assert_eq!(house.refresh(&login.text("access_token")).await.status, 401);
}

#[actix_web::test]
async fn logging_out_ends_the_session_and_may_be_repeated() {
    let house = House::new();
    let login = house.arrive("ada@example.com").await;
    let other = house.login("ada@example.com", PASSWORD).await;
    let token = login.text("refresh_token");
    for _ in 0..2 {
        let left = house.post("/v1/auth/logout", json!({"refresh_token": token})).await;
        assert_eq!((left.status, left.body.is_null()), (204, true));
    }
    assert_eq!(house.refresh(&token).await.status, 401);
    assert_eq!(house.refresh(&other.text("refresh_token")).await.status, 200, "the other session goes on");
}

#[actix_web::test]
async fn a_session_ends_after_two_idle_weeks_and_after_thirty_days_at_most() {
    let house = House::new();
    let idle = house.arrive("ada@example.com").await.text("refresh_token");
    let mut busy = house.login("ada@example.com", PASSWORD).await.text("refresh_token");
    for _ in 0..2 {
        house.pass(14 * DAY - 1);
        busy = house.refresh(&busy).await.text("refresh_token");
    }
    assert_eq!(house.refresh(&idle).await.status, 401);
    house.pass(DAY);
    busy = house.refresh(&busy).await.text("refresh_token");
    assert!(!busy.is_empty(), "29 days");
    house.pass(DAY + 2);
    assert_eq!(house.refresh(&busy).await.status, 401);
    assert!(house.clock.now().since(START).as_secs() >= 30 * DAY);
}

#[actix_web::test]
async fn sessions_outlive_a_restart_and_are_stored_as_hashes_only() {
    let house = House::new();
    let login = house.arrive("ada@example.com").await;
    let token = login.text("refresh_token");
    let house = house.again();
    assert_eq!(house.me(&login.text("access_token")).await.status, 200, "the signing key was kept");
    assert_eq!(house.refresh(&token).await.status, 200);
    house.users.database().close();
    let stored = std::fs::read(house.file("auth.db")).expect("the file");
    let secret = token.split('.').nth(1).expect("a secret");
    for hidden in [token.as_str(), secret, PASSWORD] {
        assert!(!stored.windows(hidden.len()).any(|part| part == hidden.as_bytes()), "{hidden} is stored");
    }
}

#[actix_web::test]
async fn old_sessions_are_forgotten_and_younger_ones_kept() {
    let house = House::new();
    let left = house.arrive("ada@example.com").await.text("refresh_token");
    house.post("/v1/auth/logout", json!({"refresh_token": left})).await;
    house.login("ada@example.com", PASSWORD).await;
    house.pass(30 * DAY);
    house.users.sweep().await.expect("sweeps");
    let mut ends = house.ends().await;
    ends.sort();
    assert_eq!(ends, [None, Some("logout".to_owned())]);
    house.pass(1);
    house.users.sweep().await.expect("sweeps");
    assert_eq!(house.ends().await, [None], "the one that ended");
    house.pass(30 * DAY);
    let live = house.login("ada@example.com", PASSWORD).await.text("refresh_token");
    house.users.sweep().await.expect("sweeps");
    assert_eq!(house.ends().await, [None], "the one that expired");
    assert_eq!(house.refresh(&live).await.status, 200);
}

#[actix_web::test]
async fn a_user_sees_where_there_are_sessions_and_ends_the_ones_that_should_not_be() {
    let house = House::new();
    let phone = house.arrive("ada@example.com").await;
    house.pass(60);
    let laptop = house.login("ada@example.com", PASSWORD).await;
    let stranger = house.arrive("eve@example.com").await;
    let listed = house.as_user("GET", "/v1/me/sessions", &laptop.text("access_token")).await;
    let sessions = listed.body["data"].as_array().expect("a list").clone();
    let current: Vec<_> = sessions.iter().map(|session| session["current"].as_bool()).collect();
    assert_eq!(current, [Some(true), Some(false)], "newest first: {sessions:?}");
    let page = house.as_user("GET", "/v1/me/sessions?limit=1", &laptop.text("access_token")).await;
    let after = format!("/v1/me/sessions?after={}", page.text("next_cursor"));
    let rest = house.as_user("GET", &after, &laptop.text("access_token")).await;
    assert_eq!(rest.body["data"], json!([sessions[1]]));

    let path = format!("/v1/me/sessions/{}", sessions[1]["id"].as_str().expect("an id"));
    let foreign = house.as_user("DELETE", &path, &stranger.text("access_token")).await;
    assert_eq!((foreign.status, foreign.text("code")), (404, "unknown_session".to_owned()));
    assert_eq!(house.as_user("DELETE", &path, &laptop.text("access_token")).await.status, 204);
    house.time.advance(Duration::from_micros(1));
    assert_eq!(house.as_user("DELETE", &path, &laptop.text("access_token")).await.status, 404, "it has ended");
    assert_eq!(house.refresh(&phone.text("refresh_token")).await.status, 401);
    assert_eq!(house.refresh(&laptop.text("refresh_token")).await.status, 200);
    assert_eq!(house.as_user("DELETE", "/v1/me/sessions", &laptop.text("access_token")).await.status, 204);
    assert_eq!(house.refresh(&laptop.text("refresh_token")).await.status, 401, "everywhere");
    assert_eq!(house.refresh(&stranger.text("refresh_token")).await.status, 200, "others stay");
}

#[actix_web::test]
async fn a_session_that_was_left_alone_for_too_long_is_not_listed() {
    let house = House::new();
    house.arrive("ada@example.com").await;
    house.pass(14 * DAY);
    let token = house.login("ada@example.com", PASSWORD).await.text("access_token");
    let listed = house.as_user("GET", "/v1/me/sessions", &token).await;
    assert_eq!(listed.body["data"].as_array().map(Vec::len), Some(1));
}
