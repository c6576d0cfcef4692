//! A neighbour over HTTP: deadline, circuit breaker, bounded calls in flight, a retry budget, typed errors.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::contract::FROM_CONTRACT;
use crate::{Breaker, Call, Fault, Outage};

/// Where a neighbour is at the moment of a call.
pub trait Directory: Send + Sync + 'static {
    /// Base address, as in `http://10.0.0.7:9090`; `None` when nobody is known.
    fn base(&self) -> Option<String>;
}

impl Directory for String {
    fn base(&self) -> Option<String> {
        Some(self.clone())
    }
}

/// Proves to a neighbour which service calls.
pub trait Credential: Send + Sync + 'static {
    /// A short-lived token for `audience`, sent as `Authorization: Bearer`.
    fn token(&self, audience: &str) -> String;
}

/// Limits of the traffic to one neighbour.
#[derive(Clone, Copy, Debug)]
pub struct RemoteSettings {
    /// The longest a call may take, however patient its caller.
    pub timeout: Duration,
    /// Calls at the same time; more are refused at once.
    pub in_flight: usize,
    /// Failures in a row that open the breaker.
    pub breaker_threshold: u32,
    /// How long the breaker stays open.
    pub breaker_rest: Duration,
}

impl Default for RemoteSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            in_flight: 256,
            breaker_threshold: 5,
            breaker_rest: Duration::from_secs(1),
        }
    }
}

/// Retries may add a tenth to the calls: each success earns a tenth of a retry, at most ten are saved up.
#[derive(Debug)]
struct RetryBudget(AtomicI64);

impl RetryBudget {
    const TENTHS: i64 = 100;

    fn earn(&self) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |t| (t < Self::TENTHS).then_some(t + 1));
    }

    fn spend(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |t| (t >= 10).then_some(t - 10)).is_ok()
    }
}

/// The far side of a contract.
#[derive(Clone)]
pub struct Remote(Arc<Link>);

struct Link {
    peer: &'static str,
    directory: Box<dyn Directory>,
    credential: Box<dyn Credential>,
    client: reqwest::Client,
    settings: RemoteSettings,
    breaker: Breaker,
    budget: RetryBudget,
    in_flight: Arc<Semaphore>,
    /// Whether the last answer came from the contract.
    sound: AtomicBool,
    runtime: Handle,
}

/// How long a connection may be idle. Servers keep them longer, so that none is closed on which a call is just sent.
const IDLE: Duration = Duration::from_secs(30);

impl Remote {
    /// The neighbour `peer`, found through `directory`. Its connections live in the runtime that this is called in.
    pub fn new(
        peer: &'static str,
        directory: impl Directory,
        credential: impl Credential,
        settings: RemoteSettings,
    ) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_idle_timeout(IDLE)
            .connect_timeout(settings.timeout.min(Duration::from_secs(2)))
            .build()?;
        Ok(Self(Arc::new(Link {
            peer,
            directory: Box::new(directory),
            credential: Box::new(credential),
            client,
            settings,
            breaker: Breaker::new(settings.breaker_threshold, settings.breaker_rest),
            budget: RetryBudget(AtomicI64::new(RetryBudget::TENTHS)),
            in_flight: Arc::new(Semaphore::new(settings.in_flight)),
            sound: AtomicBool::new(true),
            runtime: Handle::current(),
        })))
    }

    /// The neighbour's name.
    pub fn peer(&self) -> &'static str {
        self.0.peer
    }

    /// Whether it answered the last call as its contract says, or was not asked yet.
    pub fn is_sound(&self) -> bool {
        self.0.sound.load(Ordering::Relaxed)
    }

    /// Sends `ask` and returns the neighbour's answer or its typed refusal. A `repeatable` call that got no answer is
    /// sent once more, within the retry budget and the deadline.
    pub async fn send<Q, A, E>(&self, call: &Call, path: &str, ask: &Q, repeatable: bool) -> Result<A, E>
    where
        Q: Serialize + Sync,
        A: DeserializeOwned,
        E: Fault,
    {
        let first: Result<A, E> = self.attempt(call, path, ask).await;
        let unanswered = matches!(&first, Err(e) if matches!(e.outage(), Some(Outage::Unreachable)));
        if !(unanswered && repeatable && !call.is_over() && self.0.budget.spend()) {
            return first;
        }
        match self.attempt::<Q, A, E>(call, path, ask).await {
            // The second was not sent; what the first did is still unknown.
            Err(error) if matches!(error.outage(), Some(Outage::Busy | Outage::DeadlineExceeded)) => first,
            second => second,
        }
    }

    async fn attempt<Q, A, E>(&self, call: &Call, path: &str, ask: &Q) -> Result<A, E>
    where
        Q: Serialize + Sync,
        A: DeserializeOwned,
        E: Fault,
    {
        let link = &*self.0;
        let Ok(slot) = link.in_flight.clone().try_acquire_owned() else { return Err(Outage::Busy.into()) };
        if call.is_over() {
            return Err(Outage::DeadlineExceeded.into());
        }
        if !link.breaker.admits(now()) {
            return Err(Outage::Unreachable.into());
        }
        let sent = self.exchange(call, path, ask, slot).await;
        let Some(Sent { status, from_contract, body }) = sent else { return Err(Outage::Unreachable.into()) };
        let strange = |why: &dyn std::fmt::Display| {
            tracing::warn!(peer = link.peer, path, %status, %why, "this answer does not come from the neighbour's contract");
            E::from(Outage::Unreachable)
        };
        if !from_contract {
            let untrusted = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            let why =
                if untrusted { "it does not trust this process's key" } else { "another server, or no such route" };
            return Err(strange(&why));
        }
        link.budget.earn();
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| strange(&error));
        }
        let refused: E = serde_json::from_slice(&body).unwrap_or_else(|error| strange(&error));
        tracing::debug!(peer = link.peer, path, error = %refused, "a neighbour refused");
        Err(refused)
    }

    /// One exchange on the wire; `None` when there was no complete answer. It goes on, and counts as being on its way,
    /// when nobody waits for it any more.
    async fn exchange<Q: Serialize + Sync>(
        &self,
        call: &Call,
        path: &str,
        ask: &Q,
        slot: OwnedSemaphorePermit,
    ) -> Option<Sent> {
        let link = self.0.clone();
        let base = link.directory.base()?;
        let patience = call.remaining().min(link.settings.timeout);
        let mut request = link
            .client
            .post(format!("{base}{path}"))
            .timeout(patience)
            .bearer_auth(link.credential.token(link.peer))
            .header("X-Request-Id", call.request.to_string())
            .header("X-Deadline-Ms", patience.as_millis().to_string())
            .json(ask);
        if let Some(caller) = &call.caller {
            request = request.header("X-Caller", serde_json::to_string(caller).ok()?);
        }
        if let Some(traceparent) = &call.traceparent {
            request = request.header("traceparent", &**traceparent);
        }
        let answered = async {
            let answer = request.send().await?;
            let (status, from_contract) = (answer.status(), answer.headers().contains_key(FROM_CONTRACT.as_str()));
            Ok::<_, reqwest::Error>(Sent { status, from_contract, body: answer.bytes().await?.to_vec() })
        };
        let (runtime, path) = (link.runtime.clone(), path.to_owned());
        let counted = async move {
            let _held = slot;
            let answered = answered.await;
            let answered =
                answered.inspect_err(|error| tracing::warn!(peer = link.peer, path, ?error, "no answer")).ok();
            link.record(answered.as_ref());
            answered
        };
        // A connection is driven by the runtime that opened it, and is used by all: it must be the one that ends last.
        runtime.spawn(counted).await.ok().flatten()
    }
}

impl Link {
    /// What somebody else answers in the neighbour's place says as little of it as no answer.
    fn record(&self, answered: Option<&Sent>) {
        let sound = answered.is_some_and(|sent| sent.from_contract);
        self.breaker.record(sound, now());
        self.sound.store(sound, Ordering::Relaxed);
    }
}

/// What came back.
struct Sent {
    status: StatusCode,
    from_contract: bool,
    body: Vec<u8>,
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the breaker's rest is monotonic and never leaves the process")]
    Instant::now()
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Remote({})", self.0.peer)
    }
}
