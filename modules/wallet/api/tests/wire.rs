//! The wire form of the contract: a change here is a change for every process that calls it.

use emporium_kernel::{Audit, Currency, Money, PositiveMoney};
use emporium_wallet_api::{
    AskHolds, AskPersonal, Capture, Hold, HoldId, HoldState, HoldStatus, OfHold, Payee, Personal, Share, WalletError,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Written as `wire`, read back the same, and read with a field more that a newer neighbour might send.
fn wire<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, wire: Value) {
    assert_eq!(serde_json::to_value(value).ok().as_ref(), Some(&wire));
    let mut newer = wire;
    if let Some(members) = newer.as_object_mut() {
        members.insert("added_later".to_owned(), json!(1));
    }
    assert_eq!(serde_json::from_value::<T>(newer).ok().as_ref(), Some(value));
}

#[test]
fn requests_and_answers_keep_their_form() {
    let id = HoldId::derived(&["ord_1", "hold", "1"]);
    let money = Money::new(500, Currency::USD).expect("money");
    let hold = Hold {
        id: id.clone(),
        order: "ord_1".to_owned(),
        buyer: "usr_1".to_owned(),
        amount: PositiveMoney::new(money).expect("money"),
        expires_in_secs: 60,
    };
    let usd = json!({"amount": 500, "currency": "USD"});
    wire(&hold, json!({"id": id, "order": "ord_1", "buyer": "usr_1", "amount": usd, "expires_in_secs": 60}));
    let payees = vec![
        Share { payee: Payee::Store, amount: money },
        Share { payee: Payee::Supplier("usr_2".to_owned()), amount: money },
    ];
    let shares = json!([{"payee": "store", "amount": usd}, {"payee": {"supplier": "usr_2"}, "amount": usd}]);
    wire(&Capture { hold: id.clone(), payees }, json!({"hold": id, "payees": shares}));
    wire(&OfHold { hold: id.clone() }, json!({"hold": id}));
    wire(&AskHolds { ids: vec![id.clone()] }, json!({"ids": [id]}));
    let status = HoldStatus { id: id.clone(), state: HoldState::Held, amount: Some(money) };
    wire(&status, json!({"id": id, "state": "held", "amount": usd}));
}

#[test]
fn refusals_keep_their_codes_and_facts() {
    let short = WalletError::InsufficientFunds { available: 3, currency: "USD".to_owned() };
    wire(&short, json!({"code": "insufficient_funds", "available": 3, "currency": "USD"}));
    wire(&WalletError::HoldEnded { state: HoldState::Voided }, json!({"code": "hold_ended", "state": "voided"}));
    wire(&WalletError::from(emporium_kernel::Outage::Busy), json!({"code": "busy"}));
    let decided = WalletError::AlreadyDecided { state: "paid".to_owned() };
    wire(&decided, json!({"code": "already_decided", "state": "paid"}));
    let states = [
        (HoldState::Captured, "captured"),
        (HoldState::Expired, "expired"),
        (HoldState::Refused, "refused"),
        (HoldState::Tombstone, "tombstone"),
    ];
    for (state, name) in states {
        assert_eq!(serde_json::to_value(state).ok(), Some(json!(name)));
    }
    let others = [
        (WalletError::Frozen, "frozen"),
        (WalletError::UnknownHold, "unknown_hold"),
        (WalletError::SharesDiffer, "shares_differ"),
        (WalletError::IdReused, "id_reused"),
        (WalletError::UnknownRecipient, "unknown_recipient"),
        (WalletError::SelfTransfer, "self_transfer"),
        (WalletError::BalanceTooLarge, "balance_too_large"),
        (WalletError::NotFound, "not_found"),
    ];
    others.into_iter().for_each(|(error, code)| wire(&error, json!({"code": code})));
}

#[test]
fn findings_keep_their_form() {
    let mut audit = Audit { checked: 3, findings: Vec::new() };
    audit.find("balance_is_fold_of_entries", "PEN", "3 expected, 4 found");
    let finding = json!({"invariant": "balance_is_fold_of_entries", "subject": "PEN", "detail": "3 expected, 4 found"});
    wire(&audit, json!({"checked": 3, "findings": [finding]}));
}

#[test]
fn personal_data_keeps_its_form() {
    wire(&AskPersonal { user: "usr_1".to_owned(), after: None }, json!({"user": "usr_1", "after": null}));
    let row = || vec![json!({"id": 1})];
    let personal = Personal {
        balances: row(),
        deposits: row(),
        withdrawals: row(),
        transactions: row(),
        next: Some("more".to_owned()),
    };
    let written = json!({
        "balances": [{"id": 1}], "deposits": [{"id": 1}], "withdrawals": [{"id": 1}], "transactions": [{"id": 1}],
        "next": "more",
    });
    wire(&personal, written);
}
