//! The open loop: requests arrive at a fixed rate, whether or not the earlier ones were answered.
//!
//! Every arrival has its time before anything is sent, and its latency counts from that time: a server that stalls
//! cannot slow down those who measure it. Timers are good to a millisecond, which latencies here therefore include.
//!
//! As in a client's pool, the connection that was used last is used next, and one more is opened when all are in use.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use futures_util::future::join_all;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::sync::Notify;
use tokio::time::{sleep_until, timeout};

use crate::client::Client;
use crate::loads::Ask;
use crate::tally::{Tally, is_done};

const THREADS: u32 = 2;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long after the last arrival those that found no free connection may still be sent.
const GRACE: Duration = Duration::from_secs(2);

/// An open loop.
pub struct Open<'a> {
    /// The server.
    pub address: SocketAddr,
    /// Arrivals a second.
    pub rate: u32,
    /// Seconds of arrivals.
    pub seconds: u32,
    /// Connections at most.
    pub connections: u32,
    /// What is asked.
    pub ask: &'a Ask,
}

/// What came of an open loop.
pub struct Opened {
    /// When the last arrival was due.
    pub ended: Instant,
    /// Arrivals.
    pub offered: u64,
    /// Arrivals that found no free connection in time; they are in no second's count.
    pub unsent: u64,
    /// Connections that were needed.
    pub connections: u64,
    /// Successes that were answered before the last arrival was due: what a second of overload yields.
    pub good_in_time: u64,
    /// What came of the arrivals of each second.
    pub seconds: Vec<Tally>,
}

impl Opened {
    /// All seconds together.
    pub fn total(&self) -> anyhow::Result<Tally> {
        let mut sum = Tally::new()?;
        for second in &self.seconds {
            sum.add(second)?;
        }
        Ok(sum)
    }
}

/// The arrivals of one thread.
struct Schedule {
    begins: Instant,
    rate: u32,
    arrivals: u32,
    next: Cell<u32>,
    /// A connection waits for the next arrival.
    awaited: Cell<bool>,
    /// Those that wait for their turn to do so; the last is the next.
    idle: RefCell<Vec<Rc<Notify>>>,
    unsent: Cell<u64>,
    connections: Cell<u64>,
    good_in_time: Cell<u64>,
    seconds: RefCell<Vec<Tally>>,
}

impl Open<'_> {
    /// Runs it. The first arrival is due after a second.
    pub fn run(&self) -> anyhow::Result<Opened> {
        let begins = Instant::now() + Duration::from_secs(1);
        let parts: Vec<anyhow::Result<Opened>> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || self.thread(thread, begins))).collect();
            let ended = running.into_iter().map(|one| one.join().unwrap_or_else(|_| Err(anyhow!("a thread ended"))));
            ended.collect()
        });
        let ended = begins + Duration::from_secs(self.seconds.into());
        let mut whole =
            Opened { ended, offered: 0, unsent: 0, connections: 0, good_in_time: 0, seconds: empty(self.seconds)? };
        for part in parts {
            let part = part?;
            whole.offered += part.offered;
            whole.unsent += part.unsent;
            whole.connections += part.connections;
            whole.good_in_time += part.good_in_time;
            for (sum, second) in whole.seconds.iter_mut().zip(&part.seconds) {
                sum.add(second)?;
            }
        }
        Ok(whole)
    }

    fn thread(&self, thread: u32, begins: Instant) -> anyhow::Result<Opened> {
        let rate = (self.rate / THREADS).max(1);
        let schedule = Schedule {
            begins: begins + Duration::from_secs(1) / rate / THREADS * thread,
            rate,
            arrivals: rate * self.seconds,
            next: Cell::new(0),
            awaited: Cell::new(false),
            idle: RefCell::default(),
            unsent: Cell::new(0),
            connections: Cell::new(0),
            good_in_time: Cell::new(0),
            seconds: RefCell::new(empty(self.seconds)?),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let connections = (self.connections / THREADS).clamp(1, schedule.arrivals);
        runtime.block_on(join_all((0..connections).map(|number| self.connection(thread, number, &schedule))));
        Ok(Opened {
            ended: schedule.ends(),
            offered: u64::from(schedule.arrivals),
            unsent: schedule.unsent.get(),
            connections: schedule.connections.get(),
            good_in_time: schedule.good_in_time.get(),
            seconds: schedule.seconds.into_inner(),
        })
    }

    /// Takes the next arrival when it is its turn, waits for its time if that is still to come, and sends it.
    async fn connection(&self, thread: u32, number: u32, schedule: &Schedule) {
        let (mut client, mut request) = (Client::of(self.address), Vec::new());
        let mut random = SmallRng::seed_from_u64(u64::from(number * THREADS + thread));
        let (mine, mut needed) = (Rc::new(Notify::new()), false);
        loop {
            schedule.turn(&mine).await;
            let Some((due, second)) = schedule.take() else { return schedule.pass_on() };
            sleep_until(due.into()).await;
            schedule.pass_on();
            if !std::mem::replace(&mut needed, true) {
                schedule.connections.set(schedule.connections.get() + 1);
            }
            request.clear();
            (self.ask)(&mut random, &mut request);
            let status = timeout(PATIENCE, client.ask(&request)).await.ok().and_then(Result::ok);
            schedule.count(second, status, due);
        }
    }
}

impl Schedule {
    /// Waits until it is for this connection to wait for the next arrival.
    async fn turn(&self, connection: &Rc<Notify>) {
        if self.awaited.replace(true) {
            self.idle.borrow_mut().push(connection.clone());
            connection.notified().await;
        }
    }

    /// Lets the connection that was used last wait for the next arrival.
    fn pass_on(&self) {
        match self.idle.borrow_mut().pop() {
            Some(next) => next.notify_one(),
            None => self.awaited.set(false),
        }
    }

    fn ends(&self) -> Instant {
        self.begins + Duration::from_secs(u64::from(self.arrivals / self.rate))
    }

    /// Counts what came, just now, of an arrival.
    fn count(&self, second: usize, outcome: Option<u16>, due: Instant) {
        let now = Instant::now();
        if let Some(tally) = self.seconds.borrow_mut().get_mut(second) {
            tally.count(outcome, now.saturating_duration_since(due));
        }
        if outcome.is_some_and(is_done) && now <= self.ends() {
            self.good_in_time.set(self.good_in_time.get() + 1);
        }
    }

    /// The next arrival and the second it belongs to; `None` when there are no more, or it is too late for the rest.
    fn take(&self) -> Option<(Instant, usize)> {
        let number = self.next.get();
        if number >= self.arrivals {
            return None;
        }
        if Instant::now() > self.ends() + GRACE {
            self.unsent.set(u64::from(self.arrivals - number));
            self.next.set(self.arrivals);
            return None;
        }
        self.next.set(number + 1);
        let nanos = u64::from(number) * 1_000_000_000 / u64::from(self.rate);
        Some((self.begins + Duration::from_nanos(nanos), usize::try_from(number / self.rate).ok()?))
    }
}

fn empty(seconds: u32) -> anyhow::Result<Vec<Tally>> {
    (0..seconds).map(|_| Tally::new()).collect()
}
