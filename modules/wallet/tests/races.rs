//! Two want the same money at the same moment: exactly one of them gets it, and the ledger agrees.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]
#![expect(clippy::disallowed_methods, reason = "the server is waited for by the clock")]

mod common;
#[path = "../../../tests/support/engines.rs"]
mod engines;
#[path = "../../../tests/support/head_start.rs"]
mod head_start;
#[path = "../../../tests/support/mariadbd.rs"]
mod mariadbd;

use std::sync::Barrier;

use actix_web::http::Method;
use actix_web::rt::Runtime;
use common::{Bank, supplier, usd_json};
use emporium_wallet_api::{HoldState, Payee, WalletError};
use engines::{on_each_engine, rounds};
use futures_util::future::join_all;
use head_start::HeadStart;
use serde_json::json;

on_each_engine!(
    crate::common::Bank::new(), "walletdb", |url| crate::common::Bank::at(&url);
    a_freeze_stops_a_new_hold_or_comes_too_late_and_never_stops_a_capture,
    a_hold_is_captured_or_voided_never_both,
    a_hundred_requests_with_one_key_move_money_once,
);

const AT_ONCE: usize = 20;

/// Does both, each in a thread of its own, from the same moment on.
fn at_once<A: Send, B: Send>(one: impl AsyncFnOnce() -> A + Send, other: impl AsyncFnOnce() -> B + Send) -> (A, B) {
    let start = Barrier::new(2);
    std::thread::scope(|scope| {
        let one = scope.spawn(|| in_step(&start, one));
        let other = scope.spawn(|| in_step(&start, other));
        (one.join().expect("no panic"), other.join().expect("no panic"))
    })
}

fn in_step<T>(start: &Barrier, work: impl AsyncFnOnce() -> T) -> T {
    let runtime = Runtime::new().expect("a runtime");
    start.wait();
    runtime.block_on(work())
}

/// Looks at a balance so many times, which takes its time.
async fn look(bank: &Bank, times: u32) {
    for _ in 0..times {
        bank.standing("ada").await;
    }
}

/// Pays what ada's hold of this number set aside.
async fn pay(bank: &Bank, number: &str) -> Result<HoldState, WalletError> {
    bank.capture(number, &[(supplier("sue"), 10)]).await.map(|hold| hold.state)
}

async fn hold(bank: &Bank, number: &str) -> Result<HoldState, WalletError> {
    bank.hold(number, "ada", 10).await.map(|hold| hold.state)
}

/// In every second round ada pays before she asks for a new hold: if she still gets it, she paid before the freeze. In
/// the others she asks first: if she is refused, she pays after the freeze.
async fn a_freeze_stops_a_new_hold_or_comes_too_late_and_never_stops_a_capture(bank: Bank) {
    bank.give("ada", 1_000_000).await;
    let (mut before, mut after, mut left) = (0, 0, 1_000_000);
    // In looks, of ada before the freeze, in each kind of round.
    let mut head_starts = [HeadStart::up_to(256); 2];
    for round in 0..rounds(bank.ledger.database(), [150, 60, 3_000]) {
        let [old, new, late] = ["old", "new", "late"].map(|which| format!("{round}-{which}"));
        assert_eq!(hold(&bank, &old).await, Ok(HoldState::Held));
        let (pays_first, head_start) = (round % 2 == 0, &mut head_starts[round % 2]);
        let (ada_waits, staff_waits) = head_start.waits();
        let ada = async || {
            look(&bank, ada_waits).await;
            if pays_first {
                let paid = pay(&bank, &old).await;
                return (paid, hold(&bank, &new).await);
            }
            let held = hold(&bank, &new).await;
            (pay(&bank, &old).await, held)
        };
        let staff = async || {
            look(&bank, staff_waits).await;
            bank.freeze("ada", "freeze").await;
        };
        let ((paid, held), ()) = at_once(ada, staff);
        assert_eq!(paid, Ok(HoldState::Captured), "what was held is paid, frozen or not");
        assert_eq!(hold(&bank, &late).await, Err(WalletError::Frozen), "round {round}");
        let (allowed, ended) = match held {
            Ok(HoldState::Held) => (true, Ok(HoldState::Captured)),
            Err(WalletError::Frozen) => (false, Err(WalletError::HoldEnded { state: HoldState::Refused })),
            other => panic!("{other:?}"),
        };
        assert_eq!(pay(&bank, &new).await, ended, "round {round}");
        left -= if allowed { 20 } else { 10 };
        assert_eq!(bank.standing("ada").await, (left, 0, left), "round {round}");
        before += i32::from(pays_first && allowed);
        after += i32::from(!pays_first && !allowed);
        head_start.note(allowed);
        bank.freeze("ada", "unfreeze").await;
    }
    assert!(before > 0 && after > 0, "paid before and after a freeze: {before} and {after}");
    assert_eq!(bank.standing("sue").await.0, 1_000_000 - left);
    bank.prove().await;
}

async fn a_hold_is_captured_or_voided_never_both(bank: Bank) {
    bank.give("ada", 10_000_000).await;
    let (mut captured, mut voided) = (0, 0);
    for round in 0..rounds(bank.ledger.database(), [100, 15, 500]) {
        let numbers: Vec<String> = (0..AT_ONCE).map(|n| format!("{round}-{n}")).collect();
        assert!(join_all(numbers.iter().map(|n| bank.hold(n, "ada", 10))).await.iter().all(Result::is_ok));
        let store = [(Payee::Store, 10)];
        // From both ends, so that they meet.
        let capture = async || join_all(numbers.iter().map(|number| bank.capture(number, &store))).await;
        let void = async || join_all(numbers.iter().rev().map(|number| bank.void(number))).await;
        let (captures, voids) = if round % 2 == 0 {
            at_once(capture, void)
        } else {
            let (voids, captures) = at_once(void, capture);
            (captures, voids)
        };
        for (capture, void) in captures.into_iter().zip(voids.into_iter().rev()) {
            match (capture.map(|hold| hold.state), void.map(|hold| hold.state)) {
                (Ok(HoldState::Captured), Err(WalletError::HoldEnded { state: HoldState::Captured })) => captured += 1,
                (Err(WalletError::HoldEnded { state: HoldState::Voided }), Ok(HoldState::Voided)) => voided += 1,
                other => panic!("round {round}: {other:?}"),
            }
        }
        let left = 10_000_000 - 10 * captured;
        assert_eq!(bank.standing("ada").await, (left, 0, left), "round {round}");
    }
    assert!(captured > 0 && voided > 0, "both happen: {captured} and {voided}");
    bank.prove().await;
}

async fn a_hundred_requests_with_one_key_move_money_once(bank: Bank) {
    bank.give("ada", 10_000_000).await;
    bank.give("bob", 1).await;
    let mut balance = 1;
    for round in 0..rounds(bank.ledger.database(), [12, 5, 2_000]) {
        let key = format!("a-key-of-round-{round}");
        let body = json!({"to": "bob@example.com", "amount": usd_json(7)}).to_string();
        let send_fifty = async || {
            let app = bank.app().await;
            let send = || app.ask("ada", Method::POST, "/v1/wallet/transfers", Some(&key), Some(&body));
            join_all((0..50).map(|_| send())).await
        };
        let (half, rest) = at_once(send_fifty, send_fifty);
        let answers: Vec<_> = half.into_iter().chain(rest).collect();
        assert!(answers.iter().all(|answer| answer.status == 201 && answer.id() == answers[0].id()));
        assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1, "one did it, 99 heard of it");
        balance += 7;
        assert_eq!(bank.standing("bob").await.0, balance);
    }
    bank.prove().await;
}
