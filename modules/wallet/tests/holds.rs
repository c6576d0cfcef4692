//! Holds: whatever comes in whatever order, money is paid once or given back once.

mod common;

use std::time::Duration;

use common::{Bank, ask_hold, call, hold_id, id, supplier, usd};
use emporium_kernel::{Currency, Money};
use emporium_wallet_api::{AskHolds, Capture, HoldState, Payee, Share, Wallet, WalletError};
use futures_util::future::{join, join_all};

fn ended(state: HoldState) -> WalletError {
    WalletError::HoldEnded { state }
}

fn short(available: i64) -> WalletError {
    WalletError::InsufficientFunds { available, currency: "USD".to_owned() }
}

#[actix_web::test]
async fn held_money_is_neither_spendable_nor_spent() {
    let bank = Bank::new();
    bank.give("ada", 1_000).await;
    let held = bank.hold("1", "ada", 600).await.expect("holds");
    assert_eq!((held.state, held.amount), (HoldState::Held, Some(usd(600))));
    assert_eq!(bank.standing("ada").await, (1_000, 600, 400));
    assert_eq!(bank.hold("2", "ada", 401).await, Err(short(400)));
    assert_eq!(bank.send("ada", "bob@example.com", 401, "k").await.refusal(), (402, "insufficient_funds"));
    bank.prove().await;
}

#[actix_web::test]
async fn a_hold_is_answered_with_its_stored_outcome() {
    let bank = Bank::new();
    assert_eq!(bank.hold("1", "ada", 500).await, Err(short(0)), "a buyer without a wallet has nothing");
    bank.give("ada", 1_000).await;
    assert_eq!(bank.hold("1", "ada", 500).await, Err(short(0)), "the refusal stays, although the money is there now");
    for _ in 0..3 {
        assert_eq!(bank.hold("2", "ada", 500).await.map(|held| held.state), Ok(HoldState::Held));
    }
    assert_eq!(bank.standing("ada").await, (1_000, 500, 500));
    assert_eq!(bank.hold("2", "ada", 501).await, Err(WalletError::IdReused));
    assert_eq!(bank.hold("2", "bob", 500).await, Err(WalletError::IdReused));
    bank.prove().await;
}

#[actix_web::test]
async fn a_capture_pays_each_payee_once() {
    let bank = Bank::new();
    bank.give("ada", 1_000).await;
    bank.hold("1", "ada", 900).await.expect("holds");
    let payees = [(supplier("sue"), 500), (Payee::Store, 300), (supplier("tom"), 0), (supplier("sue"), 100)];
    for _ in 0..3 {
        assert_eq!(bank.capture("1", &payees).await.map(|paid| paid.state), Ok(HoldState::Captured));
    }
    assert_eq!(bank.standing("ada").await, (100, 0, 100));
    assert_eq!(bank.standing("sue").await, (600, 0, 600));
    assert!(bank.ledger.balances(id("tom").as_str()).await.expect("reads").is_empty(), "nobody opens a wallet for 0");
    assert_eq!(bank.hold("1", "ada", 900).await.map(|paid| paid.state), Ok(HoldState::Captured));
    assert_eq!(bank.void("1").await, Err(ended(HoldState::Captured)));
    bank.prove().await;
}

#[actix_web::test]
async fn shares_that_are_not_the_hold_are_refused_and_leave_it_held() {
    let bank = Bank::new();
    bank.give("ada", 1_000).await;
    bank.hold("1", "ada", 900).await.expect("holds");
    for wrong in [&[(Payee::Store, 899)][..], &[(Payee::Store, 900), (supplier("sue"), 1)], &[]] {
        assert_eq!(bank.capture("1", wrong).await, Err(WalletError::SharesDiffer));
    }
    let euro = Money::new(900, Currency::parse("EUR").expect("euro")).expect("in range");
    let foreign = Capture { hold: hold_id("1"), payees: vec![Share { payee: Payee::Store, amount: euro }] };
    assert_eq!(bank.ledger.capture(&call(), foreign).await, Err(WalletError::SharesDiffer));
    assert_eq!(bank.standing("ada").await, (1_000, 900, 100));
    bank.capture("1", &[(Payee::Store, 900)]).await.expect("is still held");
    bank.prove().await;
}

#[actix_web::test]
async fn a_supplier_who_buys_the_own_product_is_debited_and_credited() {
    let bank = Bank::new();
    bank.give("sue", 1_000).await;
    bank.hold("1", "sue", 300).await.expect("holds");
    bank.capture("1", &[(supplier("sue"), 200), (Payee::Store, 100)]).await.expect("pays");
    assert_eq!(bank.standing("sue").await, (900, 0, 900));
    bank.prove().await;
}

#[actix_web::test]
async fn a_void_gives_the_money_back_once() {
    let bank = Bank::new();
    bank.give("ada", 1_000).await;
    bank.hold("1", "ada", 600).await.expect("holds");
    bank.hold("2", "ada", 300).await.expect("holds");
    for _ in 0..3 {
        assert_eq!(bank.void("1").await.map(|free| free.state), Ok(HoldState::Voided));
    }
    assert_eq!(bank.standing("ada").await, (1_000, 300, 700));
    assert_eq!(bank.capture("1", &[(Payee::Store, 600)]).await, Err(ended(HoldState::Voided)));
    assert_eq!(bank.hold("1", "ada", 600).await, Err(ended(HoldState::Voided)));
    bank.prove().await;
}

#[actix_web::test]
async fn a_hold_that_arrives_after_its_void_is_refused() {
    let bank = Bank::new();
    bank.give("ada", 1_000).await;
    for _ in 0..2 {
        assert_eq!(bank.void("1").await.map(|free| (free.state, free.amount)), Ok((HoldState::Tombstone, None)));
    }
    assert_eq!(bank.hold("1", "ada", 600).await, Err(ended(HoldState::Tombstone)));
    assert_eq!(bank.capture("1", &[(Payee::Store, 600)]).await, Err(ended(HoldState::Tombstone)));
    assert_eq!(bank.standing("ada").await, (1_000, 0, 1_000));
    bank.prove().await;
}

#[actix_web::test]
async fn what_was_never_held_or_refused_is_not_captured() {
    let bank = Bank::new();
    assert_eq!(bank.capture("1", &[(Payee::Store, 600)]).await, Err(WalletError::UnknownHold));
    bank.hold("2", "ada", 600).await.expect_err("has nothing");
    assert_eq!(bank.capture("2", &[(Payee::Store, 600)]).await, Err(ended(HoldState::Refused)));
    assert_eq!(bank.void("2").await.map(|free| free.state), Ok(HoldState::Refused));
    bank.prove().await;
}

#[actix_web::test]
async fn only_the_sweeper_ends_a_hold_whose_time_is_over() {
    let bank = Bank::new();
    bank.give("ada", 1_000).await;
    bank.hold("1", "ada", 200).await.expect("holds");
    bank.hold("2", "ada", 300).await.expect("holds");
    bank.hand.advance(Duration::from_secs(86_400 - 1));
    bank.ledger.sweep().await.expect("sweeps");
    assert_eq!(bank.standing("ada").await, (1_000, 500, 500), "not yet");
    bank.hand.advance(Duration::from_secs(3_600));
    bank.capture("1", &[(Payee::Store, 200)]).await.expect("late, but nobody ended it");
    bank.ledger.sweep().await.expect("sweeps");
    bank.ledger.sweep().await.expect("sweeps again");
    assert_eq!(bank.standing("ada").await, (800, 0, 800));
    assert_eq!(bank.capture("2", &[(Payee::Store, 300)]).await, Err(ended(HoldState::Expired)));
    assert_eq!(bank.void("2").await.map(|free| free.state), Ok(HoldState::Expired));
    assert_eq!(bank.hold("2", "ada", 300).await, Err(ended(HoldState::Expired)));
    bank.prove().await;
}

#[actix_web::test]
async fn tombstones_are_forgotten_after_a_week() {
    let bank = Bank::new();
    bank.void("1").await.expect("buries");
    let asked = || AskHolds { ids: vec![hold_id("1"), hold_id("2")] };
    bank.hand.advance(Duration::from_secs(6 * 86_400));
    bank.ledger.sweep().await.expect("sweeps");
    assert_eq!(bank.ledger.holds(&call(), asked()).await.expect("reads").len(), 1);
    bank.hand.advance(Duration::from_secs(86_400));
    bank.ledger.sweep().await.expect("sweeps");
    assert!(bank.ledger.holds(&call(), asked()).await.expect("reads").is_empty());
}

#[actix_web::test]
async fn a_freeze_stops_new_holds_but_neither_capture_nor_credit() {
    let bank = Bank::new();
    bank.give("ada", 1_000).await;
    bank.hold("1", "ada", 400).await.expect("holds");
    bank.freeze("ada", "freeze").await;
    assert_eq!(bank.hold("2", "ada", 100).await, Err(WalletError::Frozen));
    assert_eq!(bank.send("ada", "bob@example.com", 1, "k").await.refusal(), (409, "frozen"));
    bank.capture("1", &[(supplier("sue"), 400)]).await.expect("pays");
    bank.give("ada", 50).await;
    assert_eq!(bank.standing("ada").await, (650, 0, 650));
    bank.freeze("ada", "unfreeze").await;
    bank.hold("3", "ada", 650).await.expect("holds again");
    bank.prove().await;
}

#[actix_web::test]
async fn a_wallet_that_can_pay_for_ten_pays_for_ten_of_two_hundred() {
    let bank = Bank::new();
    bank.give("ada", 1_000).await;
    let numbers: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    let outcomes = join_all(numbers.iter().map(|number| bank.hold(number, "ada", 100))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 10);
    assert!(outcomes.iter().all(|outcome| outcome.is_ok() || *outcome == Err(short(0))));
    assert_eq!(bank.standing("ada").await, (1_000, 1_000, 0));
    bank.prove().await;
}

#[actix_web::test]
async fn of_captures_and_voids_at_once_one_kind_wins() {
    let bank = Bank::new();
    bank.give("ada", 10_000).await;
    let (mut paid, mut freed) = (0, 0);
    for round in 0..20 {
        let number = round.to_string();
        bank.hold(&number, "ada", 100).await.expect("holds");
        let payees = [(Payee::Store, 100)];
        let (mut captures, mut voids) = (Vec::new(), Vec::new());
        for n in 0..6 {
            if (n + round) % 2 == 0 {
                captures.push(bank.capture(&number, &payees))
            } else {
                voids.push(bank.void(&number))
            }
        }
        let (captures, voids) = match round % 2 {
            0 => join(join_all(captures), join_all(voids)).await,
            _ => {
                let (voids, captures) = join(join_all(voids), join_all(captures)).await;
                (captures, voids)
            }
        };
        let captured = captures.iter().filter(|capture| capture.is_ok()).count();
        let voided = voids.iter().filter(|void| void.is_ok()).count();
        assert!((captured, voided) == (3, 0) || (captured, voided) == (0, 3), "{captured} {voided}");
        (paid, freed) = (paid + captured / 3, freed + voided / 3);
    }
    assert!(paid > 0 && freed > 0);
    let left = 10_000 - 100 * i64::try_from(paid).expect("small");
    assert_eq!(bank.standing("ada").await, (left, 0, left));
    bank.prove().await;
}

#[actix_web::test]
async fn the_hold_of_a_withdrawal_is_not_for_orders() {
    let bank = Bank::new();
    bank.give("ada", 1_000).await;
    let asked = bank.post("ada", "/v1/wallet/withdrawals", "w", serde_json::json!({"amount": common::usd_json(400)}));
    assert_eq!(asked.await.status, 201);
    bank.meddle(&format!("update hold set id = '{}'", hold_id("1")));
    assert_eq!(bank.capture("1", &[(Payee::Store, 400)]).await, Err(WalletError::UnknownHold));
    assert_eq!(bank.void("1").await, Err(WalletError::UnknownHold));
    assert_eq!(bank.ledger.hold(&call(), ask_hold("1", "ada", 400)).await, Err(WalletError::IdReused));
    let asked = AskHolds { ids: vec![hold_id("1")] };
    assert!(bank.ledger.holds(&call(), asked).await.expect("reads").is_empty());
}
