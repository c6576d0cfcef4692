//! Cursors of the wallet's lists while others write: every row that was there at the start is shown once, and none is
//! shown twice.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]

mod common;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Duration;

use common::{Bank, Reply, id, supplier, usd_json};
use emporium_wallet_api::Payee;
use futures_util::future::{join, join_all};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// What happens in Ada's wallet, or in the queue of the staff.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// She gets some of a currency.
    Get(&'static str),
    Send,
    /// She pays an order.
    Pay,
    /// She asks for one of the `deposits` or `withdrawals`.
    Ask(&'static str),
    /// Staff decide on one of those.
    Decide(usize),
    Wait(u8),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => select(vec!["USD", "EUR", "JPY"]).prop_map(Act::Get),
        2 => Just(Act::Send),
        2 => Just(Act::Pay),
        4 => select(vec!["deposits", "withdrawals"]).prop_map(Act::Ask),
        3 => (0..64_usize).prop_map(Act::Decide),
        2 => (0..3_u8).prop_map(Act::Wait),
    ]
}

/// Who reads which list.
fn lists() -> [(&'static str, String); 8] {
    let of_ada = format!("/v1/admin/wallets/{}/transactions?", id("ada"));
    [
        ("ada", "/v1/wallet/transactions?".to_owned()),
        ("ada", "/v1/wallet/transactions?currency=USD&".to_owned()),
        ("ada", "/v1/wallet/transactions?kind=order&".to_owned()),
        ("staff", of_ada),
        ("ada", "/v1/wallet/deposits?".to_owned()),
        ("ada", "/v1/wallet/withdrawals?".to_owned()),
        ("staff", "/v1/admin/deposits?".to_owned()),
        ("staff", "/v1/admin/withdrawals?".to_owned()),
    ]
}

/// What names the rows of a page: a transfer has two in one wallet when a supplier buys own goods.
fn rows(page: &Reply) -> Vec<String> {
    let data = page.body["data"].as_array().expect("a list");
    data.iter().map(|row| format!("{} {}", row["id"], row["direction"])).collect()
}

/// A bank in which things happen.
struct Busy {
    bank: Bank,
    acts: Cell<usize>,
    /// Where deposits and withdrawals are decided on.
    requests: RefCell<Vec<String>>,
}

impl Busy {
    async fn open() -> Self {
        let busy = Self { bank: Bank::new(), acts: Cell::new(0), requests: RefCell::default() };
        busy.bank.give("ada", 1_000_000).await;
        busy
    }

    async fn act(&self, act: Act) {
        self.acts.set(self.acts.get() + 1);
        let key = format!("act-{}", self.acts.get());
        match act {
            Act::Get(currency) => {
                let path = format!("/v1/admin/wallets/{}/credit", id("ada"));
                let body = json!({"amount": {"amount": 5, "currency": currency}, "reason": "a present"});
                self.expect(201, "staff", &path, &key, body).await;
            }
            Act::Send => {
                let body = json!({"to": "bob@example.com", "amount": usd_json(1)});
                self.expect(201, "ada", "/v1/wallet/transfers", &key, body).await;
            }
            Act::Pay => {
                self.bank.hold(&key, "ada", 3).await.expect("holds");
                self.bank.capture(&key, &[(supplier("ada"), 1), (Payee::Store, 2)]).await.expect("pays");
            }
            Act::Ask(what) => {
                let body = json!({"amount": usd_json(2)});
                let asked = self.expect(201, "ada", &format!("/v1/wallet/{what}"), &key, body).await;
                self.requests.borrow_mut().push(format!("/v1/admin/{what}/{}", asked.id()));
            }
            Act::Decide(nth) => self.decide(nth, &key).await,
            Act::Wait(seconds) => self.bank.hand.advance(Duration::from_secs(seconds.into())),
        }
    }

    async fn expect(&self, status: u16, who: &str, path: &str, key: &str, body: Value) -> Reply {
        let reply = self.bank.post(who, path, key, body).await;
        assert_eq!(reply.status, status, "{}", reply.body);
        reply
    }

    /// Decides on a request, perhaps on one that was decided before.
    async fn decide(&self, nth: usize, key: &str) {
        let requests = self.requests.borrow().clone();
        let Some(path) = requests.get(nth % requests.len().max(1)) else { return };
        let verb = match (nth.is_multiple_of(2), path.contains("deposits")) {
            (false, _) => "reject",
            (true, true) => "confirm",
            (true, false) => "pay",
        };
        let decided = self.bank.post("staff", &format!("{path}/{verb}"), key, json!({})).await;
        assert!([200, 409].contains(&decided.status), "{}", decided.body);
    }

    /// Reads a list to its end; with each page two others act at the same moment.
    async fn read(&self, who: &str, list: &str, limit: usize, acts: &[Act]) -> Vec<String> {
        let (mut shown, mut after, mut reader_first) = (Vec::new(), String::new(), true);
        let mut acts = acts.chunks(2);
        loop {
            let path = format!("{list}limit={limit}{after}");
            let reading = self.bank.get(who, &path);
            let acting = join_all(acts.next().unwrap_or_default().iter().map(|act| self.act(*act)));
            let page = if reader_first { join(reading, acting).await.0 } else { join(acting, reading).await.1 };
            reader_first = !reader_first;
            shown.extend(rows(&page));
            match page.body["next_cursor"].as_str() {
                Some(cursor) => after = format!("&after={cursor}"),
                None => return shown,
            }
        }
    }
}

async fn read_beside_others(limit: usize, before: &[Act], meanwhile: &[Act]) {
    let busy = Busy::open().await;
    for act in before {
        busy.act(*act).await;
    }
    for (who, list) in lists() {
        let there = busy.read(who, &list, 100, &[]).await;
        let shown = busy.read(who, &list, limit, meanwhile).await;
        let once: BTreeSet<&String> = shown.iter().collect();
        assert_eq!(once.len(), shown.len(), "{list}: a row came twice");
        assert!(there.iter().all(|row| once.contains(row)), "{list}: a row was left out");
    }
    busy.bank.prove().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn no_row_is_skipped_or_seen_twice_while_money_moves(
        limit in 2..6_usize,
        before in vec(act(), 10..25),
        meanwhile in vec(act(), 4..7),
    ) {
        actix_web::rt::System::new().block_on(read_beside_others(limit, &before, &meanwhile));
    }
}

/// Ada's account in dollars takes part in nine hundred orders.
const ORDERS: &str = "
    create table number as
        with recursive up(n) as (select 1 union all select n + 1 from up where n < 900) select n from up;
    insert into transfer (id, kind, debit_account, amount, currency, pending_id, reason, reference, outcome, actor, created_at)
    select printf('trf_0%025d', n), 'capture', a.id, 1, 'USD', null, 'order', printf('ord_0%025d', n), 'posted', 'saga',
           a.created_at + 9000000 + n
    from number join account a on a.owner <> '' and a.currency = 'USD';
    insert into entry (account_id, account_version, transfer_id, side, amount, balance_after, held_after, created_at)
    select a.id, a.version + n, printf('trf_0%025d', n), 'debit', 1, 0, 0, a.created_at + 9000000 + n
    from number join account a on a.owner <> '' and a.currency = 'USD';
    update account set version = version + 900 where owner <> '' and currency = 'USD';
    drop table number;";

/// What is asked for may lie behind more entries than one page looks at. Then pages are short until it comes, and nothing
/// of another currency comes before it that is older.
#[actix_web::test]
async fn what_was_given_long_ago_is_found_behind_all_orders_and_in_the_order_of_time() {
    let bank = Bank::new();
    for (currency, key) in [("EUR", "first-gift"), ("USD", "second-gift")] {
        let body = json!({"amount": {"amount": 5, "currency": currency}, "reason": "a present"});
        let path = format!("/v1/admin/wallets/{}/credit", id("ada"));
        assert_eq!(bank.post("staff", &path, key, body).await.status, 201);
        bank.hand.advance(Duration::from_secs(1));
    }
    bank.meddle(ORDERS);
    let (mut pages, mut after): (Vec<Vec<String>>, _) = (Vec::new(), String::new());
    loop {
        let page = bank.get("ada", &format!("/v1/wallet/transactions?kind=credit{after}")).await;
        let data = page.body["data"].as_array().expect("a list");
        pages.push(data.iter().map(|row| row["amount"]["currency"].as_str().expect("a code").to_owned()).collect());
        let Some(cursor) = page.body["next_cursor"].as_str() else { break };
        after = format!("&after={cursor}");
    }
    let expected: [Vec<String>; 2] = [vec![], vec!["USD".to_owned(), "EUR".to_owned()]];
    assert_eq!(pages, expected);
}
