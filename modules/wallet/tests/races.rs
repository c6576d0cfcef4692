//! Two want the same money at the same moment: exactly one of them gets it, and the ledger agrees.

mod common;

use common::{Bank, supplier, usd_json};
use emporium_wallet_api::{HoldState, Payee, WalletError};
use futures_util::future::{join, join_all};
use serde_json::json;

const AT_ONCE: usize = 20;
const ROUNDS: usize = 100;

#[actix_web::test]
async fn a_freeze_stops_a_new_hold_or_comes_too_late_and_never_stops_a_capture() {
    let bank = Bank::new();
    bank.give("ada", 10_000_000).await;
    let (mut held, mut stopped) = (0, 0);
    for round in 0..ROUNDS {
        let number = |n: usize| format!("{round}-{n}");
        bank.hold(&number(0), "ada", 10).await.expect("holds");
        let later: Vec<String> = (1..AT_ONCE).map(number).collect();
        let holds = join_all(later.iter().map(|number| bank.hold(number, "ada", 10)));
        let shares = [(supplier("sue"), 10)];
        let first = number(0);
        let captured = async { join(bank.capture(&first, &shares), bank.freeze("ada", "freeze")).await.0 };
        let (captured, outcomes) = if round % 2 == 0 {
            join(captured, holds).await
        } else {
            let (outcomes, captured) = join(holds, captured).await;
            (captured, outcomes)
        };
        assert_eq!(captured.map(|paid| paid.state), Ok(HoldState::Captured), "what was held is paid, frozen or not");
        assert_eq!(bank.hold(&format!("{round}-late"), "ada", 1).await, Err(WalletError::Frozen));
        for (number, outcome) in later.iter().zip(outcomes) {
            match outcome {
                Ok(_) => {
                    held += 1;
                    bank.capture(number, &shares).await.expect("pays");
                }
                Err(refusal) => {
                    stopped += 1;
                    assert_eq!(refusal, WalletError::Frozen);
                }
            }
        }
        bank.freeze("ada", "unfreeze").await;
    }
    assert!(held > 0 && stopped > 0, "both happen: {held} and {stopped}");
    let paid = 10 * i64::try_from(ROUNDS + held).expect("small");
    assert_eq!(bank.standing("sue").await, (paid, 0, paid));
    bank.prove().await;
}

#[actix_web::test]
async fn a_hold_is_captured_or_voided_never_both() {
    let bank = Bank::new();
    bank.give("ada", 10_000_000).await;
    let (mut captured, mut voided) = (0, 0);
    for round in 0..ROUNDS {
        let numbers: Vec<String> = (0..AT_ONCE).map(|n| format!("{round}-{n}")).collect();
        assert!(join_all(numbers.iter().map(|n| bank.hold(n, "ada", 10))).await.iter().all(Result::is_ok));
        let store = [(Payee::Store, 10)];
        let both = numbers.iter().enumerate().map(async |(n, number)| match (n + round) % 2 {
            0 => join(bank.capture(number, &store), bank.void(number)).await,
            _ => {
                let (void, capture) = join(bank.void(number), bank.capture(number, &store)).await;
                (capture, void)
            }
        });
        for (capture, void) in join_all(both).await {
            match (capture.map(|hold| hold.state), void.map(|hold| hold.state)) {
                (Ok(HoldState::Captured), Err(WalletError::HoldEnded { state: HoldState::Captured })) => captured += 1,
                (Err(WalletError::HoldEnded { state: HoldState::Voided }), Ok(HoldState::Voided)) => voided += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(captured > 0 && voided > 0, "both happen: {captured} and {voided}");
    assert_eq!(bank.standing("ada").await.0, 10_000_000 - 10 * captured);
    bank.prove().await;
}

#[actix_web::test]
async fn a_hundred_requests_with_one_key_move_money_once() {
    let rounds = if std::env::var_os("LONG").is_some() { 2_000 } else { 30 };
    let bank = Bank::new();
    bank.give("ada", 10_000_000).await;
    bank.give("bob", 1).await;
    for round in 0..rounds {
        let key = format!("a-key-of-round-{round}");
        let body = json!({"to": "bob@example.com", "amount": usd_json(7)});
        let send = async || bank.post("ada", "/v1/wallet/transfers", &key, body.clone()).await;
        let answers = join_all((0..100).map(|_| send())).await;
        assert!(answers.iter().all(|answer| answer.status == 201 && answer.id() == answers[0].id()));
        assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1, "one did it, 99 heard of it");
        assert_eq!(bank.standing("bob").await.0, 1 + 7 * (round + 1));
    }
    bank.prove().await;
}
