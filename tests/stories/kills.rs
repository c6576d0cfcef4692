//! Processes are killed at any moment under load: one of them, all of them, or the server that keeps the data. Clients
//! write down every answer; afterwards the shop is held against what they wrote.

use std::collections::{BTreeSet, HashSet};
use std::mem::discriminant;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use emporium_kernel::Random;
use futures_util::future::{join, join_all};
use serde_json::Value;

use crate::attempts::{Attempt, Company, GOODS, Promise, What};
use crate::books::{Books, check};
use crate::deployment::{Deployment, LOST_COMMITS, Shape};
use crate::request::{Reply, get};

everywhere!(nothing_acknowledged_is_lost_when_the_process_is_killed);

const CLIENTS: usize = 64;
const STOCK: i64 = 1_000_000;

/// Every fourth client has little money, so that refusals happen under load as well.
fn purse(client: usize) -> i64 {
    if client.is_multiple_of(4) { 400 } else { 100_000_000 }
}

/// What a client does next, and did.
#[derive(Default)]
struct Trader {
    client: usize,
    /// A withdrawal that staff have not decided yet: its id and how much it is.
    withdrawal: Option<(String, i64)>,
    /// Orders that were to be cancelled.
    cancelled: BTreeSet<String>,
}

/// All that goes on beside the shop.
struct Trade {
    company: Company,
    traders: Vec<Trader>,
    written: Mutex<Vec<Attempt>>,
    random: Random,
}

impl Trade {
    /// Lets everybody sign up and gives each a purse.
    async fn open(shop: &Deployment) -> Self {
        let mut customers = Vec::new();
        for client in 0..CLIENTS {
            let customer = shop.signed_up(&format!("client{client}@example.com")).await;
            shop.deposit(&customer, purse(client)).await;
            customers.push(customer);
        }
        let traders = (0..CLIENTS).map(|client| Trader { client, ..Trader::default() }).collect();
        let company = Company { customers, staff: shop.staff() };
        Self { company, traders, written: Mutex::default(), random: Random::seeded(29) }
    }
}

/// The trade of one round, as everybody in it sees it.
struct Round<'a> {
    shop: &'a Deployment,
    company: &'a Company,
    written: &'a Mutex<Vec<Attempt>>,
    random: &'a Random,
    over: AtomicBool,
}

impl<'a> Round<'a> {
    fn of(shop: &'a Deployment, company: &'a Company, written: &'a Mutex<Vec<Attempt>>, random: &'a Random) -> Self {
        Self { shop, company, written, random, over: AtomicBool::new(false) }
    }

    /// One client asks for this and that until the shop is gone.
    async fn trade(&self, trader: &mut Trader) {
        while !self.over.load(Ordering::SeqCst) {
            let (client, what) = (trader.client, self.wish(trader));
            let withdrawn = if let What::Withdraw { cents } = what { Some(cents) } else { None };
            let answer = if matches!(what, What::Order { .. }) && self.random.below(3) == 0 {
                join(self.ask(client, what), self.cancel_newest(trader)).await.0
            } else {
                self.ask(client, what).await
            };
            let Some((status, body)) = answer else { return };
            if let Some(cents) = withdrawn.filter(|_| status == 201) {
                trader.withdrawal = body["id"].as_str().map(|id| (id.to_owned(), cents));
            }
        }
    }

    /// What a client, or staff for the client, wants next.
    fn wish(&self, trader: &mut Trader) -> What {
        let below = |bound: u64| i64::try_from(self.random.below(bound)).expect("small");
        if let Some((withdrawal, cents)) = trader.withdrawal.take() {
            return What::Decide { withdrawal, cents, pay: below(2) == 0 };
        }
        let (cents, good) = (50 + below(100), usize::from(below(2) == 0));
        match below(16) {
            0..7 => What::Order { pieces: [1 + below(2), below(2)] },
            7..9 => What::Transfer { to: (trader.client + 1) % CLIENTS, cents },
            9 => What::Deposit { cents },
            10 => What::Withdraw { cents },
            11 => What::Credit { cents },
            12 => What::Debit { cents },
            13 => What::Adjust { good, by: -1 },
            14 => What::Adjust { good, by: 1 + below(3) },
            _ => What::Miscount { good },
        }
    }

    /// Asks, writes the answer down and gives it back; `None` when nobody answered.
    async fn ask(&self, client: usize, what: What) -> Option<(u16, Value)> {
        let mut attempt = Attempt { client, key: self.random.token::<16>(), what, answer: None };
        let reply = self.shop.try_send(attempt.request(self.company)).await;
        attempt.answer = reply.ok().map(|Reply { status, body, .. }| (status.as_u16(), body));
        let answer = attempt.answer.clone();
        self.written.lock().expect("free").push(attempt);
        answer
    }

    /// Cancels the client's newest order: if it can be caught, one that is still being placed.
    async fn cancel_newest(&self, trader: &mut Trader) {
        let own = &self.company.customers[trader.client];
        let (pending, any) = ("/v1/orders?status=pending&limit=1", "/v1/orders?limit=1");
        for path in [pending, pending, pending, pending, any] {
            let Ok(list) = self.shop.try_send(get(path).by(own)).await else { return };
            let Some(order) = list.body["data"][0]["id"].as_str() else { continue };
            if trader.cancelled.insert(order.to_owned()) {
                self.ask(trader.client, What::Cancel { order: order.to_owned() }).await;
                return;
            }
        }
    }
}

/// What happens to the shop in a round.
enum Blow {
    OneProcess,
    EveryProcess,
    Server,
}

impl Blow {
    fn of(shape: Shape, round: usize) -> Self {
        if shape.has_server() && round % 2 == 1 {
            Self::Server
        } else if shape.is_split() && round % 3 == 2 {
            Self::EveryProcess
        } else {
            Self::OneProcess
        }
    }
}

/// Lets clients trade until one process is killed, whichever, or all are at once, and starts again what is gone.
async fn kill_under_load(shop: &mut Deployment, trade: &mut Trade, all: bool) {
    let Trade { company, traders, written, random } = trade;
    let processes = shop.processes.len();
    let one = usize::try_from(random.below(processes as u64)).expect("small");
    let victims = if all { 0..processes } else { one..one + 1 };
    let pids: Vec<String> = shop.processes[victims.clone()].iter().map(|process| process.pid()).collect();
    let round = Round::of(shop, company, written, random);
    let clients = traders.iter_mut().map(|trader| round.trade(trader));
    let killer = async {
        tokio::time::sleep(Duration::from_millis(40 + round.random.below(300))).await;
        round.over.store(true, Ordering::SeqCst);
        assert!(Command::new("kill").arg("-KILL").args(&pids).status().expect("kill").success());
    };
    join(join_all(clients), killer).await;
    shop.processes[victims].iter_mut().for_each(|process| process.kill());
    shop.serve();
}

/// The same, but the server that keeps the data is killed and started again, while the shop goes on.
async fn kill_the_server_under_load(shop: &mut Deployment, trade: &mut Trade) {
    let Trade { company, traders, written, random } = trade;
    let mut server = shop.server.take().expect("a server");
    let round = Round::of(shop, company, written, random);
    let clients = traders.iter_mut().map(|trader| round.trade(trader));
    let killer = async {
        tokio::time::sleep(Duration::from_millis(40 + round.random.below(300))).await;
        let back = tokio::task::spawn_blocking(move || {
            server.kill();
            server.serve();
            server
        });
        let server = back.await.expect("comes back");
        tokio::time::sleep(Duration::from_millis(200)).await;
        round.over.store(true, Ordering::SeqCst);
        server
    };
    let (_, server) = join(join_all(clients), killer).await;
    shop.server = Some(server);
}

async fn nothing_acknowledged_is_lost_when_the_process_is_killed(shape: Shape) {
    let rounds = match (std::env::var_os("LONG"), shape) {
        (Some(_), _) => 1_000,
        (None, Shape::OnSqlite) => 50,
        (None, Shape::OnMariadb | Shape::SplitOnSqlite | Shape::SplitOnMariadb) => 10,
    };
    // Whoever asks again is to learn whether it was done before; what was done again by itself says that it was.
    let mut shop = Deployment::start_with(shape, &[(LOST_COMMITS, "no".to_owned())]);
    for (sku, price) in GOODS {
        shop.sell(sku, price, STOCK).await;
    }
    let mut trade = Trade::open(&shop).await;
    let start = Books::read(&shop, &trade.company).await;
    let (mut slowest, mut round) = (Duration::ZERO, 0);
    // On a slow machine there are more of them, until everything has happened.
    while round < rounds || (round < 4 * rounds && !has_every_kind(&trade.written.lock().expect("free"))) {
        if round % 100 == 99 {
            // A thousand kills take longer than a token lives.
            trade.company.renew(&shop);
        }
        match Blow::of(shape, round) {
            Blow::OneProcess => kill_under_load(&mut shop, &mut trade, false).await,
            Blow::EveryProcess => kill_under_load(&mut shop, &mut trade, true).await,
            Blow::Server => kill_the_server_under_load(&mut shop, &mut trade).await,
        }
        slowest = slowest.max(shop.until_all_are_terminal().await);
        round += 1;
        // The more there is, the longer a proof takes.
        if round.is_multiple_of((rounds / 5).min(50)) {
            shop.verify();
        }
    }
    trade.company.renew(&shop);
    let written = trade.written.into_inner().expect("free");
    check(&shop, &trade.company, &written, &start).await;
    println!("{rounds} kills; all orders terminal within {slowest:?} of the start");
    tell(&written, rounds);
}

/// Says what was asked, and that it was enough to show something.
fn tell(written: &[Attempt], rounds: usize) {
    let count = |promise: Promise| written.iter().filter(|attempt| attempt.promise() == promise).count();
    let gone = written.iter().filter(|attempt| attempt.answer.is_none()).count();
    let done = || written.iter().filter(|attempt| attempt.promise() == Promise::Done);
    println!(
        "{} requests: {} acknowledged, {} accepted, {} refused, {} in doubt, {gone} of them unanswered; {} cancels \
         acknowledged",
        written.len(),
        count(Promise::Done),
        count(Promise::Accepted),
        count(Promise::Refused),
        count(Promise::Unknown),
        done().filter(|attempt| matches!(attempt.what, What::Cancel { .. })).count(),
    );
    assert!(count(Promise::Done) > rounds && count(Promise::Refused) > 0, "the load was real");
    assert!(gone > 0, "the kills were real");
    assert!(
        has_every_kind(written),
        "orders, transfers, deposits, withdrawals, decisions, credits, debits, adjustments"
    );
}

/// Whether everything that staff and customers can do was acknowledged, but for cancels, which come too late more often
/// than not.
fn has_every_kind(written: &[Attempt]) -> bool {
    let done = written.iter().filter(|attempt| attempt.promise() == Promise::Done);
    let done = done.filter(|done| !matches!(done.what, What::Cancel { .. }));
    done.map(|done| discriminant(&done.what)).collect::<HashSet<_>>().len() == 8
}
