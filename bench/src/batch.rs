//! A fixed number of requests over some connections at a time.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::bail;
use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use crate::client::Client;
use crate::tally::Tally;

const PATIENCE: Duration = Duration::from_secs(30);
/// How long who is told to come back (429, 503) waits; the shop says a second.
const COMES_BACK: Duration = Duration::from_secs(1);

/// What came of a batch.
pub struct Batch {
    /// Counts and latencies, from when each was sent first.
    pub tally: Tally,
    /// How often somebody was told to come back.
    pub came_back: u64,
    /// The bodies, in the order of the requests; empty where there was no answer.
    pub bodies: Vec<Vec<u8>>,
    /// From the first request to the last answer.
    pub took: Duration,
}

struct State<'a> {
    requests: &'a [Vec<u8>],
    next: Cell<usize>,
    patient: bool,
    came_back: Cell<u64>,
    tally: RefCell<Tally>,
    bodies: RefCell<Vec<Vec<u8>>>,
}

/// Sends all of them; each connection takes the next one when it was answered. Who is told to come back does so.
pub fn send(address: SocketAddr, requests: &[Vec<u8>], connections: usize) -> anyhow::Result<Batch> {
    run(address, requests, connections, true)
}

/// Sends all of them. Connecting is not timed.
fn run(address: SocketAddr, requests: &[Vec<u8>], connections: usize, patient: bool) -> anyhow::Result<Batch> {
    let state = State {
        requests,
        next: Cell::new(0),
        patient,
        came_back: Cell::new(0),
        tally: RefCell::new(Tally::new()?),
        bodies: RefCell::new(vec![Vec::new(); requests.len()]),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let took = runtime.block_on(async {
        let mut clients: Vec<Client> = (0..connections.min(requests.len())).map(|_| Client::of(address)).collect();
        for client in &mut clients {
            client.connect().await?;
        }
        let started = Instant::now();
        join_all(clients.into_iter().map(|client| work(client, &state))).await;
        anyhow::Ok(started.elapsed())
    })?;
    let came_back = state.came_back.get();
    Ok(Batch { tally: state.tally.into_inner(), came_back, bodies: state.bodies.into_inner(), took })
}

/// Sends each once, and every answer must be a success: what a load needs before it can begin.
pub fn seed(address: SocketAddr, requests: &[Vec<u8>], connections: usize) -> anyhow::Result<Vec<Vec<u8>>> {
    let batch = run(address, requests, connections, false)?;
    if batch.tally.good.len() != requests.len() as u64 {
        let refusal = batch.bodies.iter().find(|body| body.starts_with(b"{\"type\""));
        let refusal = refusal.map(|body| String::from_utf8_lossy(body).into_owned()).unwrap_or_default();
        bail!("seeding failed: {:?}, {} unanswered {refusal}", batch.tally.statuses, batch.tally.failed);
    }
    Ok(batch.bodies)
}

async fn work(mut client: Client, state: &State<'_>) {
    while let Some(request) = state.requests.get(state.next.get()) {
        let index = state.next.replace(state.next.get() + 1);
        let sent = Instant::now();
        let status = timeout(PATIENCE, ask(&mut client, request, state)).await.ok().and_then(Result::ok);
        state.tally.borrow_mut().count(status, sent.elapsed());
        if let Some(body) = state.bodies.borrow_mut().get_mut(index).filter(|_| status.is_some()) {
            body.extend_from_slice(client.body());
        }
    }
}

/// Asks, and if need be until nobody says any more to come back.
async fn ask(client: &mut Client, request: &[u8], state: &State<'_>) -> std::io::Result<u16> {
    loop {
        let status = client.ask(request).await?;
        if !state.patient || !matches!(status, 429 | 503) {
            return Ok(status);
        }
        state.came_back.set(state.came_back.get() + 1);
        sleep(COMES_BACK).await;
    }
}
