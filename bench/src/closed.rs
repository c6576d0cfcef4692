//! The closed loop: each connection sends its next request when the last one was answered.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use futures_util::future::join_all;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::time::timeout_at;

use crate::client::Client;
use crate::loads::Ask;
use crate::tally::Tally;

/// Threads that make the load; each has connections of its own.
const THREADS: usize = 2;
/// How long answers that are still missing at the end are waited for.
const PATIENCE: Duration = Duration::from_secs(15);

/// A closed loop.
pub struct Closed<'a> {
    /// The server.
    pub address: SocketAddr,
    /// Connections, each with one request at a time.
    pub connections: usize,
    /// How long requests are counted.
    pub measured: Duration,
    /// How long a connection waits that is told to come back (429, 503).
    pub comes_back: Duration,
    /// What is asked.
    pub ask: &'a Ask,
}

/// When a loop counts.
#[derive(Clone, Copy)]
struct Window {
    begins: Instant,
    ends: Instant,
}

impl Closed<'_> {
    /// Runs it, after a warm-up that is not counted. Counted is what was answered in the measured time.
    pub fn run(&self) -> anyhow::Result<Tally> {
        let begins = Instant::now() + (self.measured / 4).min(Duration::from_secs(1));
        let window = Window { begins, ends: begins + self.measured };
        let threads = THREADS.min(self.connections);
        let tallies: Vec<anyhow::Result<Tally>> = std::thread::scope(|scope| {
            let run = |thread| scope.spawn(move || self.thread((thread..self.connections).step_by(threads), window));
            let running: Vec<_> = (0..threads).map(run).collect();
            let ended = running.into_iter().map(|one| one.join().unwrap_or_else(|_| Err(anyhow!("a thread ended"))));
            ended.collect()
        });
        let mut sum = Tally::new()?;
        for tally in tallies {
            sum.add(&tally?)?;
        }
        Ok(sum)
    }

    fn thread(&self, connections: impl Iterator<Item = usize>, window: Window) -> anyhow::Result<Tally> {
        let tally = RefCell::new(Tally::new()?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let given_up = tokio::time::Instant::from_std(window.ends + PATIENCE);
            let tally = &tally;
            let loops = connections.map(|number| async move {
                let seed = u64::try_from(number).unwrap_or(0);
                if timeout_at(given_up, self.connection(seed, window, tally)).await.is_err() {
                    tally.borrow_mut().failed += 1;
                }
            });
            join_all(loops).await;
        });
        Ok(tally.into_inner())
    }

    async fn connection(&self, seed: u64, window: Window, tally: &RefCell<Tally>) {
        let (mut client, mut request) = (Client::of(self.address), Vec::new());
        let mut random = SmallRng::seed_from_u64(seed);
        let mut sent = Instant::now();
        while sent < window.ends {
            request.clear();
            (self.ask)(&mut random, &mut request);
            let status = client.ask(&request).await.ok();
            let answered = Instant::now();
            if answered >= window.begins && answered <= window.ends {
                tally.borrow_mut().count(status, answered - sent);
            }
            match status {
                None => tokio::time::sleep(Duration::from_millis(10)).await,
                Some(429 | 503) if !self.comes_back.is_zero() => tokio::time::sleep(self.comes_back).await,
                Some(_) => {}
            }
            sent = Instant::now();
        }
    }
}
