//! Several refresh with one token at the same moment: there is one successor, and without grace one who gets it.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]
#![expect(clippy::disallowed_methods, reason = "the server is waited for by the clock")]

mod common;
#[path = "../../../tests/support/engines.rs"]
mod engines;
#[path = "../../../tests/support/mariadbd.rs"]
mod mariadbd;

use std::collections::BTreeSet;
use std::sync::{Barrier, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix_web::rt::Runtime;
use common::{House, PASSWORD, Reply};
use emporium_auth::Settings;
use engines::{on_each_engine, rounds};

on_each_engine!(
    crate::common::House::with, "authdb", |url: emporium_database::Url| move |settings| crate::common::House::in_database(&url, settings);
    of_refreshes_at_once_one_gives_the_successor_and_the_others_give_the_same,
    of_refreshes_at_once_without_grace_one_wins_and_the_session_ends,
);

const AT_ONCE: usize = 3;

/// Refreshes with one token from several threads. Each asks at an instant of its own, and all write at once.
fn at_once(house: &House, token: &str) -> Vec<Reply> {
    let (turn, start) = (Mutex::new(()), Barrier::new(AT_ONCE));
    let refresh = || {
        let runtime = Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let mut refresh = Box::pin(house.refresh(token));
            let begun = {
                let _alone = turn.lock().expect("free");
                house.time.advance(Duration::from_micros(1));
                // As far as it goes without the database.
                refresh.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            };
            start.wait();
            match begun {
                Poll::Ready(reply) => reply,
                Poll::Pending => refresh.await,
            }
        })
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(refresh)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

async fn of_refreshes_at_once_one_gives_the_successor_and_the_others_give_the_same(
    open: impl FnOnce(Settings) -> House,
) {
    let house = open(Settings::for_tests());
    let mut token = house.arrive("ada@example.com").await.text("refresh_token");
    for round in 0..rounds(house.users.database(), [120, 60, 5_000]) {
        let replies = at_once(&house, &token);
        assert!(replies.iter().all(|reply| reply.status == 200), "round {round}: {replies:?}");
        let successors: BTreeSet<String> = replies.iter().map(|reply| reply.text("refresh_token")).collect();
        assert_eq!(successors.len(), 1, "round {round}");
        let next = replies[0].text("refresh_token");
        assert_ne!(next, token, "round {round}");
        token = next;
        house.pass(1);
    }
    assert_eq!(house.ends().await, [None]);
}

async fn of_refreshes_at_once_without_grace_one_wins_and_the_session_ends(open: impl FnOnce(Settings) -> House) {
    let mut settings = Settings::for_tests();
    settings.refresh_grace_secs = 0;
    let house = open(settings);
    let elsewhere = house.arrive("ada@example.com").await.text("refresh_token");
    let rounds = rounds(house.users.database(), [60, 30, 2_000]);
    for round in 0..rounds {
        house.pass(1);
        let token = house.login("ada@example.com", PASSWORD).await.text("refresh_token");
        let (won, lost): (Vec<Reply>, Vec<Reply>) =
            at_once(&house, &token).into_iter().partition(|reply| reply.status == 200);
        let [winner] = won.as_slice() else { panic!("round {round}: {won:?} {lost:?}") };
        let refused = (401, String::new(), "invalid_refresh_token".to_owned());
        assert!(lost.iter().all(|reply| reply.refusal() == refused), "round {round}: {lost:?}");
        // A used token came again: either was stolen, so that what the winner got is worth nothing any more.
        assert_eq!(house.refresh(&winner.text("refresh_token")).await.refusal(), refused, "round {round}");
        assert_eq!(house.me(&winner.text("access_token")).await.status, 401, "round {round}");
    }
    let ends = house.ends().await;
    let reused = ends.iter().filter(|end| end.as_deref() == Some("reuse")).count();
    assert_eq!((reused, ends.len()), (rounds, rounds + 1), "each session that was raced for, and no other");
    assert_eq!(house.refresh(&elsewhere).await.status, 200);
}
