//! Whatever is done to the ledger in whatever order, by one or by several at once: the fold of the entries is what the
//! counters say, and both are what a ledger on the back of an envelope says.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]

mod common;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::{Bank, id, supplier, usd_json};
use diesel::prelude::*;
use emporium_wallet_api::{HoldState, Payee};
use futures_util::future::join_all;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

const PEOPLE: [&str; 3] = ["ada", "bob", "sue"];
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One thing that somebody does.
#[derive(Clone, Debug)]
enum Deed {
    Give { to: usize, amount: i64 },
    Take { from: usize, amount: i64 },
    Send { from: usize, to: usize, amount: i64 },
    Deposit { who: usize, amount: i64 },
    Withdraw { who: usize, amount: i64 },
    Decide { nth: usize, yes: bool },
    Hold { number: u8, by: usize, amount: i64 },
    Capture { number: u8 },
    Void { number: u8 },
    Sweep { days: u8 },
    Freeze { who: usize },
    Unfreeze { who: usize },
}

/// A deed, of whose orders there are so many.
fn deed(orders: u8) -> impl Strategy<Value = Deed> {
    let (who, number, amount) = (0..PEOPLE.len(), 0..orders, 1..500_i64);
    prop_oneof![
        3 => (who.clone(), amount.clone()).prop_map(|(to, amount)| Deed::Give { to, amount }),
        1 => (who.clone(), amount.clone()).prop_map(|(from, amount)| Deed::Take { from, amount }),
        4 => (who.clone(), who.clone(), amount.clone()).prop_map(|(from, to, amount)| Deed::Send { from, to, amount }),
        2 => (who.clone(), amount.clone()).prop_map(|(who, amount)| Deed::Deposit { who, amount }),
        3 => (who.clone(), amount.clone()).prop_map(|(who, amount)| Deed::Withdraw { who, amount }),
        4 => (0..64_usize, any::<bool>()).prop_map(|(nth, yes)| Deed::Decide { nth, yes }),
        4 => (number.clone(), who.clone(), amount).prop_map(|(number, by, amount)| Deed::Hold { number, by, amount }),
        3 => number.clone().prop_map(|number| Deed::Capture { number }),
        2 => number.prop_map(|number| Deed::Void { number }),
        1 => (0..3_u8).prop_map(|days| Deed::Sweep { days }),
        1 => who.clone().prop_map(|who| Deed::Freeze { who }),
        1 => who.prop_map(|who| Deed::Unfreeze { who }),
    ]
}

/// Which of the people supplies an order, and the part of it that is not the store's: nothing, some or all of it.
fn supplied(number: u8, amount: i64) -> (usize, i64) {
    (usize::from(number) % PEOPLE.len(), amount * i64::from(number % 4) / 3)
}

/// A deposit or a withdrawal that somebody asked for.
#[derive(Clone)]
struct Request {
    path: String,
    out: bool,
    who: usize,
    amount: i64,
}

/// Balances, holds and requests, kept by hand from what was answered. The order of the answers does not matter.
#[derive(Default)]
struct Envelope {
    balance: [i64; 3],
    store: i64,
    /// Who held how much for an order, whatever became of it.
    holds: BTreeMap<u8, (usize, i64)>,
    paid: BTreeSet<u8>,
    freed: BTreeSet<u8>,
    requests: Vec<Request>,
    /// The places of requests on which somebody has decided.
    decided: BTreeSet<usize>,
}

impl Envelope {
    fn held(&self, who: usize) -> i64 {
        let is_open = |number: &u8| !self.paid.contains(number) && !self.freed.contains(number);
        let is_own = |place: usize, asked: &Request| asked.out && asked.who == who && !self.decided.contains(&place);
        let orders = self.holds.iter().filter(|(number, (by, _))| *by == who && is_open(number));
        let requests = self.requests.iter().enumerate().filter(|(place, asked)| is_own(*place, asked));
        let orders: i64 = orders.map(|(_, (_, amount))| amount).sum();
        orders + requests.map(|(_, asked)| asked.amount).sum::<i64>()
    }

    fn capture(&mut self, number: u8, by: usize, amount: i64) {
        if self.paid.insert(number) {
            let (payee, part) = supplied(number, amount);
            self.balance[by] -= amount;
            self.balance[payee] += part;
            self.store += amount - part;
        }
    }

    fn decide(&mut self, place: usize, yes: bool) {
        if self.decided.insert(place) && yes {
            let Request { out, who, amount, .. } = self.requests[place];
            self.balance[who] += if out { -amount } else { amount };
        }
    }

    fn free_all(&mut self) {
        self.freed.extend(self.holds.keys());
    }
}

/// One of those who work on the ledger and on the envelope.
struct Clerk<'a> {
    bank: &'a Bank,
    envelope: &'a RefCell<Envelope>,
    number: usize,
    /// Nobody else works at the same time, so what is answered is known before.
    alone: bool,
}

impl Clerk<'_> {
    async fn work(&self, deeds: &[Deed]) {
        for (step, deed) in deeds.iter().enumerate() {
            self.carry_out(deed, &format!("deed-{}-{step:08}", self.number)).await;
        }
    }

    async fn carry_out(&self, deed: &Deed, key: &str) {
        match *deed {
            Deed::Give { to, amount } => {
                self.bank.give(PEOPLE[to], amount).await;
                self.envelope.borrow_mut().balance[to] += amount;
            }
            Deed::Take { from, amount } => self.take(from, amount, key).await,
            Deed::Send { from, to, amount } => self.send(from, to, amount, key).await,
            Deed::Deposit { who, amount } => self.ask(who, false, amount, key).await,
            Deed::Withdraw { who, amount } => self.ask(who, true, amount, key).await,
            Deed::Decide { nth, yes } => self.decide(nth, yes, key).await,
            Deed::Hold { number, by, amount } => {
                let held = self.bank.hold(&number.to_string(), PEOPLE[by], amount).await;
                if held.is_ok_and(|held| held.state == HoldState::Held) {
                    self.envelope.borrow_mut().holds.insert(number, (by, amount));
                }
            }
            Deed::Capture { number } => self.capture(number).await,
            Deed::Void { number } => {
                let voided = self.bank.void(&number.to_string()).await;
                let mut envelope = self.envelope.borrow_mut();
                if voided.is_ok() && envelope.holds.contains_key(&number) {
                    envelope.freed.insert(number);
                }
            }
            Deed::Sweep { days } => {
                self.bank.hand.advance(A_DAY * u32::from(days));
                self.bank.ledger.sweep().await.expect("sweeps");
                if days > 0 {
                    self.envelope.borrow_mut().free_all();
                }
            }
            Deed::Freeze { who } => self.bank.freeze(PEOPLE[who], "freeze").await,
            Deed::Unfreeze { who } => self.bank.freeze(PEOPLE[who], "unfreeze").await,
        }
    }

    async fn take(&self, from: usize, amount: i64, key: &str) {
        let path = format!("/v1/admin/wallets/{}/debit", id(PEOPLE[from]));
        let body = json!({"amount": usd_json(amount), "reason": "for the test"});
        if self.bank.post("staff", &path, key, body).await.status == 201 {
            self.envelope.borrow_mut().balance[from] -= amount;
        }
    }

    async fn send(&self, from: usize, to: usize, amount: i64, key: &str) {
        let address = format!("{}@example.com", PEOPLE[to]);
        if self.bank.send(PEOPLE[from], &address, amount, key).await.status == 201 {
            let mut envelope = self.envelope.borrow_mut();
            envelope.balance[from] -= amount;
            envelope.balance[to] += amount;
        }
    }

    async fn ask(&self, who: usize, out: bool, amount: i64, key: &str) {
        let what = if out { "withdrawals" } else { "deposits" };
        let body = json!({"amount": usd_json(amount)});
        let asked = self.bank.post(PEOPLE[who], &format!("/v1/wallet/{what}"), key, body).await;
        if asked.status == 201 {
            let path = format!("/v1/admin/{what}/{}", asked.id());
            self.envelope.borrow_mut().requests.push(Request { path, out, who, amount });
        }
    }

    async fn decide(&self, nth: usize, yes: bool, key: &str) {
        let requests = self.envelope.borrow().requests.clone();
        let place = nth % requests.len().max(1);
        let Some(Request { path, out, .. }) = requests.get(place) else { return };
        let verb = match (yes, *out) {
            (false, _) => "reject",
            (true, true) => "pay",
            (true, false) => "confirm",
        };
        let decided = self.bank.post("staff", &format!("{path}/{verb}"), key, json!({})).await;
        assert!([200, 409].contains(&decided.status), "{}", decided.body);
        if decided.status == 200 {
            self.envelope.borrow_mut().decide(place, yes);
        }
    }

    async fn capture(&self, number: u8) {
        let held = self.envelope.borrow().holds.get(&number).copied();
        let Some((by, amount)) = held else { return };
        let paid = self.envelope.borrow().paid.contains(&number);
        let payable = paid || !self.envelope.borrow().freed.contains(&number);
        let (payee, part) = supplied(number, amount);
        let shares = [(supplier(PEOPLE[payee]), part), (Payee::Store, amount - part)];
        let captured = self.bank.capture(&number.to_string(), &shares).await;
        assert!(!self.alone || captured.is_ok() == payable, "{captured:?}");
        if captured.is_ok() {
            self.envelope.borrow_mut().capture(number, by, amount);
        }
    }
}

mod tables {
    diesel::table! {
        account (id) {
            id -> Text,
            kind -> Text,
            debits_posted -> BigInt,
            credits_posted -> BigInt,
            debits_pending -> BigInt,
            credits_pending -> BigInt,
            version -> BigInt,
        }
    }
    diesel::table! {
        entry (account_id, account_version) {
            account_id -> Text,
            account_version -> BigInt,
            side -> Text,
            amount -> BigInt,
            balance_after -> BigInt,
        }
    }
    diesel::table! {
        hold (id) {
            id -> Text,
            account_id -> Text,
            payee_account -> Nullable<Text>,
            amount -> BigInt,
            state -> Text,
        }
    }
}

/// An account as its row says.
#[derive(Debug, Queryable)]
struct Account {
    id: String,
    kind: String,
    debits: i64,
    credits: i64,
    held: i64,
    expected: i64,
    version: i64,
}

impl Account {
    fn balance(&self) -> i64 {
        self.credits - self.debits
    }
}

/// An entry: its account, side, amount and the balance after it.
type Entry = (String, String, i64, i64);

/// All accounts, after folding what stands in the file beside the ledger.
fn folded(bank: &Bank) -> Vec<Account> {
    use tables::{account, entry, hold};
    let path = bank.folder.path().join("wallet.db");
    let mut db = SqliteConnection::establish(path.to_str().expect("text")).expect("opens");
    let accounts: Vec<Account> = account::table.load(&mut db).expect("reads");
    let entries: Vec<Entry> = entry::table
        .select((entry::account_id, entry::side, entry::amount, entry::balance_after))
        .order((entry::account_id, entry::account_version))
        .load(&mut db)
        .expect("reads");
    let holds: Vec<(String, Option<String>, i64)> = hold::table
        .filter(hold::state.eq("held"))
        .select((hold::account_id, hold::payee_account, hold::amount))
        .load(&mut db)
        .expect("reads");
    for account in &accounts {
        let own: Vec<&Entry> = entries.iter().filter(|(of, ..)| *of == account.id).collect();
        let sum = |on: &str| own.iter().filter(|(_, side, ..)| side == on).map(|(_, _, amount, _)| amount).sum::<i64>();
        assert_eq!((sum("debit"), sum("credit")), (account.debits, account.credits), "{account:?}");
        assert_eq!(own.last().map_or(0, |(.., after)| *after), account.balance(), "{account:?}");
        assert_eq!(i64::try_from(own.len()).expect("few"), account.version, "{account:?}");
        let held: i64 = holds.iter().filter(|(of, ..)| *of == account.id).map(|(.., amount)| amount).sum();
        let to_it = holds.iter().filter(|(_, payee, _)| payee.as_ref() == Some(&account.id));
        let expected = to_it.map(|(.., amount)| amount).sum::<i64>();
        assert_eq!((held, expected), (account.held, account.expected), "{account:?}");
        assert!(account.kind != "user" || account.balance() >= account.held, "{account:?}");
    }
    accounts
}

async fn compare(bank: &Bank, envelope: Envelope) {
    for (who, name) in PEOPLE.iter().enumerate() {
        let (balance, held) = (envelope.balance[who], envelope.held(who));
        assert_eq!(bank.standing(name).await, (balance, held, balance - held), "{name}");
    }
    let accounts = folded(bank);
    assert_eq!(accounts.iter().map(Account::balance).sum::<i64>(), 0, "what one has another has given");
    let stores = accounts.iter().filter(|account| account.kind == "store");
    assert_eq!(stores.map(Account::balance).sum::<i64>(), envelope.store);
    bank.prove().await;
}

async fn one_by_one(deeds: Vec<Deed>) {
    let (bank, envelope) = (Bank::new(), RefCell::new(Envelope::default()));
    Clerk { bank: &bank, envelope: &envelope, number: 0, alone: true }.work(&deeds).await;
    compare(&bank, envelope.into_inner()).await;
}

async fn at_once(programs: Vec<Vec<Deed>>) {
    let (bank, envelope) = (Bank::new(), RefCell::new(Envelope::default()));
    let clerk = |number| Clerk { bank: &bank, envelope: &envelope, number, alone: false };
    for to in 0..PEOPLE.len() {
        clerk(programs.len()).carry_out(&Deed::Give { to, amount: 500 }, "").await;
    }
    let clerks: Vec<Clerk<'_>> = (0..programs.len()).map(clerk).collect();
    join_all(clerks.iter().zip(&programs).map(|(clerk, deeds)| clerk.work(deeds))).await;
    // An answer may have been noted after that of a later deed; now nothing is held for an order any more.
    clerk(programs.len()).carry_out(&Deed::Sweep { days: 2 }, "").await;
    compare(&bank, envelope.into_inner()).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_fold_of_the_entries_is_what_the_counters_say(deeds in vec(deed(6), 1..60)) {
        actix_web::rt::System::new().block_on(one_by_one(deeds));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn several_at_once_leave_counters_that_are_the_fold_of_the_entries(
        programs in vec(vec(deed(12), 5..25), 2..6),
    ) {
        actix_web::rt::System::new().block_on(at_once(programs));
    }
}
