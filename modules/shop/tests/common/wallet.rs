//! Purses in memory: holds with stored outcomes, payees credited on capture.

use std::collections::BTreeMap;
use std::sync::Mutex;

use emporium_kernel::{Audit, Call, Money};
use emporium_wallet_api::{
    AskHolds, AskPersonal, Capture, Hold, HoldId, HoldState, HoldStatus, OfHold, Payee, Personal, Share, Wallet,
    WalletError,
};

use super::Script;

#[derive(Default)]
pub struct FakeWallet {
    pub script: Script<WalletError>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Minor units by user and currency: there, and held of that.
    purses: BTreeMap<(String, String), (i64, i64)>,
    holds: BTreeMap<HoldId, Held>,
    paid: Vec<Share>,
}

struct Held {
    state: HoldState,
    buyer: String,
    amount: Option<Money>,
    refusal: Option<WalletError>,
}

impl FakeWallet {
    /// Gives a user money.
    pub fn fund(&self, user: &str, money: Money) {
        self.state.lock().expect("state").purse(user, money).0 += money.amount();
    }

    /// Minor units that a user has and how many of them are held.
    pub fn balance(&self, user: &str, currency: &str) -> (i64, i64) {
        let key = (user.to_owned(), currency.to_owned());
        self.state.lock().expect("state").purses.get(&key).copied().unwrap_or_default()
    }

    /// What was paid, in order.
    pub fn paid(&self) -> Vec<Share> {
        self.state.lock().expect("state").paid.clone()
    }

    /// Minor units paid to one payee.
    pub fn paid_to(&self, payee: &Payee) -> i64 {
        self.paid().iter().filter(|share| share.payee == *payee).map(|share| share.amount.amount()).sum()
    }

    /// The state of every hold.
    pub fn states(&self) -> Vec<HoldState> {
        self.state.lock().expect("state").holds.values().map(|held| held.state).collect()
    }

    /// Time passes for every hold that was not captured.
    pub fn expire_all(&self) {
        let mut state = self.state.lock().expect("state");
        let ids: Vec<HoldId> = state.holds.keys().cloned().collect();
        for id in ids {
            if state.holds.get(&id).is_some_and(|held| held.state == HoldState::Held) {
                state.end(&id, HoldState::Expired);
            }
        }
    }
}

impl State {
    fn purse(&mut self, user: &str, money: Money) -> &mut (i64, i64) {
        self.purses.entry((user.to_owned(), money.currency().code().to_owned())).or_default()
    }

    fn status(&self, id: &HoldId) -> Option<HoldStatus> {
        self.holds.get(id).map(|held| HoldStatus { id: id.clone(), state: held.state, amount: held.amount })
    }

    fn hold(&mut self, ask: Hold) -> Result<HoldStatus, WalletError> {
        if let Some(known) = self.holds.get(&ask.id) {
            return match (&known.refusal, known.state) {
                (Some(refusal), _) => Err(refusal.clone()),
                (None, HoldState::Held | HoldState::Captured) => self.status(&ask.id).ok_or(WalletError::UnknownHold),
                (None, state) => Err(WalletError::HoldEnded { state }),
            };
        }
        let money = ask.amount.get();
        let purse = self.purse(&ask.buyer, money);
        let available = purse.0 - purse.1;
        let enough = available >= money.amount();
        if enough {
            purse.1 += money.amount();
        }
        let currency = money.currency().code().to_owned();
        let refusal = (!enough).then_some(WalletError::InsufficientFunds { available, currency });
        let state = if enough { HoldState::Held } else { HoldState::Refused };
        let held = Held { state, buyer: ask.buyer, amount: Some(money), refusal: refusal.clone() };
        self.holds.insert(ask.id.clone(), held);
        refusal.map_or(Ok(HoldStatus { id: ask.id, state, amount: Some(money) }), Err)
    }

    fn capture(&mut self, ask: Capture) -> Result<HoldStatus, WalletError> {
        let held = self.holds.get(&ask.hold).ok_or(WalletError::UnknownHold)?;
        let (state, amount) = (held.state, held.amount.map_or(0, Money::amount));
        match state {
            HoldState::Captured => {}
            HoldState::Held if ask.payees.iter().map(|share| share.amount.amount()).sum::<i64>() != amount => {
                return Err(WalletError::SharesDiffer);
            }
            HoldState::Held => {
                self.end(&ask.hold, HoldState::Captured);
                self.paid.extend(ask.payees);
            }
            state => return Err(WalletError::HoldEnded { state }),
        }
        self.status(&ask.hold).ok_or(WalletError::UnknownHold)
    }

    fn void(&mut self, id: &HoldId) -> Result<HoldStatus, WalletError> {
        let tomb = Held { state: HoldState::Tombstone, buyer: String::new(), amount: None, refusal: None };
        match self.holds.entry(id.clone()).or_insert(tomb).state {
            HoldState::Held => self.end(id, HoldState::Voided),
            HoldState::Captured => return Err(WalletError::HoldEnded { state: HoldState::Captured }),
            HoldState::Voided | HoldState::Expired | HoldState::Refused | HoldState::Tombstone => {}
        }
        self.status(id).ok_or(WalletError::UnknownHold)
    }

    /// Ends a hold; captured money leaves the purse.
    fn end(&mut self, id: &HoldId, state: HoldState) {
        let Some(held) = self.holds.get_mut(id) else { return };
        held.state = state;
        let (buyer, Some(money)) = (held.buyer.clone(), held.amount) else { return };
        let purse = self.purse(&buyer, money);
        purse.1 -= money.amount();
        if state == HoldState::Captured {
            purse.0 -= money.amount();
        }
    }
}

#[async_trait::async_trait]
impl Wallet for FakeWallet {
    async fn hold(&self, _: &Call, ask: Hold) -> Result<HoldStatus, WalletError> {
        self.script.run("hold", || self.state.lock().expect("state").hold(ask)).await
    }

    async fn capture(&self, _: &Call, ask: Capture) -> Result<HoldStatus, WalletError> {
        self.script.run("capture", || self.state.lock().expect("state").capture(ask)).await
    }

    async fn void(&self, _: &Call, ask: OfHold) -> Result<HoldStatus, WalletError> {
        self.script.run("void", || self.state.lock().expect("state").void(&ask.hold)).await
    }

    async fn holds(&self, _: &Call, ask: AskHolds) -> Result<Vec<HoldStatus>, WalletError> {
        let effect = || {
            let state = self.state.lock().expect("state");
            Ok(ask.ids.iter().filter_map(|id| state.status(id)).collect())
        };
        self.script.run("holds", effect).await
    }

    async fn verify(&self, _: &Call, (): ()) -> Result<Audit, WalletError> {
        Ok(Audit::default())
    }

    async fn personal(&self, _: &Call, ask: AskPersonal) -> Result<Personal, WalletError> {
        let (told, next) = if ask.after.is_none() { (2, Some("more".to_owned())) } else { (1, None) };
        Ok(Personal { transactions: vec![serde_json::json!({}); told], next, ..Personal::default() })
    }
}
