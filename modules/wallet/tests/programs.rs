//! Whatever is done to the ledger in whatever order: the fold of the entries is what the counters say, and both are
//! what a ledger on the back of an envelope says.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]

mod common;

use std::collections::BTreeMap;

use common::{Bank, supplier};
use emporium_wallet_api::HoldState;
use proptest::collection::vec;
use proptest::prelude::*;

const PEOPLE: [&str; 3] = ["ada", "bob", "sue"];

/// One thing that somebody does.
#[derive(Clone, Debug)]
enum Deed {
    Give { to: usize, amount: i64 },
    Send { from: usize, to: usize, amount: i64 },
    Hold { number: u8, by: usize, amount: i64 },
    Capture { number: u8, payee: usize },
    Void { number: u8 },
    Sweep { days: u8 },
    Freeze { who: usize },
    Unfreeze { who: usize },
}

fn deed() -> impl Strategy<Value = Deed> {
    let (who, number, amount) = (0..PEOPLE.len(), 0..6_u8, 1..500_i64);
    prop_oneof![
        3 => (who.clone(), amount.clone()).prop_map(|(to, amount)| Deed::Give { to, amount }),
        4 => (who.clone(), who.clone(), amount.clone()).prop_map(|(from, to, amount)| Deed::Send { from, to, amount }),
        4 => (number.clone(), who.clone(), amount).prop_map(|(number, by, amount)| Deed::Hold { number, by, amount }),
        3 => (number.clone(), who.clone()).prop_map(|(number, payee)| Deed::Capture { number, payee }),
        2 => number.prop_map(|number| Deed::Void { number }),
        1 => (0..3_u8).prop_map(|days| Deed::Sweep { days }),
        1 => who.clone().prop_map(|who| Deed::Freeze { who }),
        1 => who.prop_map(|who| Deed::Unfreeze { who }),
    ]
}

/// Balances and open holds, kept by hand from what was answered.
#[derive(Default)]
struct Envelope {
    balance: [i64; 3],
    open: BTreeMap<u8, (usize, i64)>,
}

impl Envelope {
    fn held(&self, who: usize) -> i64 {
        self.open.values().filter(|(by, _)| *by == who).map(|(_, amount)| amount).sum()
    }

    async fn note(&mut self, bank: &Bank, step: usize, deed: &Deed) {
        match *deed {
            Deed::Give { to, amount } => {
                bank.give(PEOPLE[to], amount).await;
                self.balance[to] += amount;
            }
            Deed::Send { from, to, amount } => {
                let address = format!("{}@example.com", PEOPLE[to]);
                let sent = bank.send(PEOPLE[from], &address, amount, &format!("deed-{step:08}")).await;
                if sent.status == 201 {
                    self.balance[from] -= amount;
                    self.balance[to] += amount;
                }
            }
            Deed::Hold { number, by, amount } => {
                let held = bank.hold(&number.to_string(), PEOPLE[by], amount).await;
                if held.is_ok_and(|held| held.state == HoldState::Held) {
                    self.open.insert(number, (by, amount));
                }
            }
            Deed::Capture { number, payee } => {
                let Some((by, amount)) = self.open.get(&number).copied() else { return };
                bank.capture(&number.to_string(), &[(supplier(PEOPLE[payee]), amount)]).await.expect("pays");
                self.open.remove(&number);
                self.balance[by] -= amount;
                self.balance[payee] += amount;
            }
            Deed::Void { number } => {
                if bank.void(&number.to_string()).await.is_ok_and(|hold| hold.state != HoldState::Captured) {
                    self.open.remove(&number);
                }
            }
            Deed::Sweep { days } => {
                bank.hand.advance(std::time::Duration::from_secs(60 * 60 * 24 * u64::from(days)));
                bank.ledger.sweep().await.expect("sweeps");
                if days > 0 {
                    self.open.clear();
                }
            }
            Deed::Freeze { who } => bank.freeze(PEOPLE[who], "freeze").await,
            Deed::Unfreeze { who } => bank.freeze(PEOPLE[who], "unfreeze").await,
        }
    }
}

async fn run(deeds: Vec<Deed>) {
    let bank = Bank::new();
    let mut envelope = Envelope::default();
    for (step, deed) in deeds.iter().enumerate() {
        envelope.note(&bank, step, deed).await;
    }
    for (who, name) in PEOPLE.iter().enumerate() {
        let (balance, held) = (envelope.balance[who], envelope.held(who));
        assert_eq!(bank.standing(name).await, (balance, held, balance - held), "{name}");
    }
    bank.prove().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn the_fold_of_the_entries_is_what_the_counters_say(deeds in vec(deed(), 1..60)) {
        actix_web::rt::System::new().block_on(run(deeds));
    }
}
