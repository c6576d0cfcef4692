//! Password hashes: argon2id on threads of their own, a few at a time, so that a flood of logins takes no more than its share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use argon2::password_hash::Error as HashError;
use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use emporium_kernel::{Outage, Random, stand_back};
use tokio::sync::{Semaphore, oneshot};

use crate::password::Password;
use crate::settings::Settings;

/// Hashes and checks passwords.
pub(crate) struct Hashing {
    argon2: Argon2<'static>,
    at_once: usize,
    bulkhead: Bulkhead,
    stand_ins: StandIns,
    random: Random,
}

/// What is checked when there is no user, so that the answer takes as long as for some user: hashes that no password has,
/// which cost what the stored ones cost. Those may be of different age.
struct StandIns {
    /// Algorithm and parameters of stored hashes, in order, as often as they were met; never empty.
    costs: RwLock<Vec<String>>,
    /// Salt and tag.
    rest: String,
}

/// What a check found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    Wrong,
    /// Right; with a new hash when the stored one is weaker than what is now asked for.
    Right {
        stronger: Option<String>,
    },
}

impl Hashing {
    /// As the settings say; `None` when argon2 does not take its parameters.
    pub(crate) fn new(settings: &Settings, random: Random) -> Option<Self> {
        let Settings { argon2_memory_kib: memory, argon2_passes: passes, argon2_lanes: lanes, .. } = *settings;
        let params = Params::new(memory, passes, lanes, None).ok()?;
        let (salt, tag) = (random.bytes::<16>(), random.bytes::<32>());
        let stand_ins = StandIns {
            costs: RwLock::new(vec![format!("$argon2id$v=19$m={memory},t={passes},p={lanes}")]),
            rest: format!("${}${}", STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(tag)),
        };
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let at_once = if settings.hashing_at_once == 0 { cores } else { settings.hashing_at_once };
        let bulkhead = Bulkhead::new(at_once, settings.hashing_waiting);
        Some(Self { argon2, at_once, bulkhead, stand_ins, random })
    }

    /// Refuses what would be refused later, before any other work is done for it.
    pub(crate) fn has_room(&self) -> Result<(), Outage> {
        if self.bulkhead.places.available_permits() > 0 { Ok(()) } else { Err(Outage::Busy) }
    }

    /// How many passwords are hashed at the same time.
    pub(crate) fn at_once(&self) -> usize {
        self.at_once
    }

    /// A hash that no password has, for an account that there is not.
    pub(crate) fn stand_in(&self, account: &str) -> String {
        self.stand_ins.of(account)
    }

    /// Takes note of what some stored hashes cost.
    pub(crate) fn learn(&self, stored: &[String]) {
        self.stand_ins.learn(stored);
    }

    /// The hash of a new password as a PHC string.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, Outage> {
        let (argon2, salt) = (self.argon2.clone(), self.random.bytes::<16>());
        let done = self.bulkhead.run(move || hash(&argon2, &password, &salt)).await?;
        done.map_err(failed)
    }

    /// Compares a password with the stored hash of an account; without one it takes as long and is wrong.
    pub(crate) async fn check(
        &self,
        password: Password,
        stored: Option<String>,
        account: &str,
    ) -> Result<Checked, Outage> {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.stand_in(account));
        let (argon2, salt) = (self.argon2.clone(), self.random.bytes::<16>());
        let work = move || check(&argon2, &password, &stored, &salt);
        let checked = self.bulkhead.run(work).await?.map_err(failed)?;
        Ok(if known { checked } else { Checked::Wrong })
    }
}

/// Accounts that there are not fall into so many buckets.
const BUCKETS: usize = 1_000;

impl StandIns {
    /// The one of an account that there is not: the same as long as the shares of the costs are, as a user's is.
    fn of(&self, account: &str) -> String {
        let costs = self.costs.read().unwrap_or_else(PoisonError::into_inner);
        let number = account.bytes().fold(0_usize, |number, byte| number.wrapping_mul(31).wrapping_add(byte.into()));
        let bucket = number % BUCKETS;
        // The costs are in order, so that only accounts at a border change their cost when a share does.
        let cost = costs.get(bucket * costs.len() / BUCKETS).map_or("", String::as_str);
        format!("{cost}{}", self.rest)
    }

    fn learn(&self, stored: &[String]) {
        let cost = |hash: &String| Some(hash.rsplitn(3, '$').nth(2)?.to_owned());
        let mut costs: Vec<String> = stored.iter().filter_map(cost).collect();
        costs.sort_unstable();
        if !costs.is_empty() {
            *self.costs.write().unwrap_or_else(PoisonError::into_inner) = costs;
        }
    }
}

fn failed(error: HashError) -> Outage {
    tracing::error!(%error, "a password could not be hashed");
    Outage::Internal
}

fn hash(argon2: &Argon2<'_>, password: &Password, salt: &[u8]) -> Result<String, HashError> {
    let hash: PasswordHash = argon2.hash_password_with_salt(password.as_bytes(), salt)?;
    Ok(hash.to_string())
}

fn check(argon2: &Argon2<'_>, password: &Password, stored: &str, salt: &[u8]) -> Result<Checked, HashError> {
    let stored = PasswordHash::new(stored).map_err(|_| HashError::EncodingInvalid)?;
    match argon2.verify_password(password.as_bytes(), &stored) {
        Ok(()) => {}
        Err(HashError::PasswordInvalid) => return Ok(Checked::Wrong),
        Err(error) => return Err(error),
    }
    let (used, wanted) = (Params::try_from(&stored)?, argon2.params());
    let weaker = used.m_cost() < wanted.m_cost() || used.t_cost() < wanted.t_cost();
    let stronger = if weaker { Some(hash(argon2, password, salt)?) } else { None };
    Ok(Checked::Right { stronger })
}

/// Lets a few works run at the same time and a few wait; the next is refused at once.
///
/// They run on threads of their own: a hash takes some 20 MiB, and an allocator keeps what a thread gave back for that
/// thread, so that many threads that hash once in a while would hold a gigabyte between them.
#[derive(Clone)]
struct Bulkhead {
    places: Arc<Semaphore>,
    permits: Arc<Semaphore>,
    threads: Sender<Work>,
}

type Work = Box<dyn FnOnce() + Send>;

impl Bulkhead {
    fn new(at_once: usize, waiting: usize) -> Self {
        let places = at_once.saturating_add(waiting).min(Semaphore::MAX_PERMITS);
        let threads = start_threads(at_once);
        Self { places: Arc::new(Semaphore::new(places)), permits: Arc::new(Semaphore::new(at_once)), threads }
    }

    /// The permits go with the work, so that a client that hangs up gives none back early.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Outage> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Outage::Busy)?;
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| Outage::Busy)?;
        let (answer, answered) = oneshot::channel();
        let work = move || {
            let _held = (place, permit);
            let _ = answer.send(work());
        };
        self.threads.send(Box::new(work)).map_err(|_| Outage::Busy)?;
        answered.await.map_err(|_| {
            tracing::error!("hashing a password panicked");
            Outage::Internal
        })
    }
}

/// More would not hash faster.
const MOST_THREADS: usize = 256;

/// How far hashing stands back behind everything else that wants to run.
const STANDS_BACK: i32 = 15;

/// Threads that stand back behind all others and take work in turn until the last sender is gone.
fn start_threads(count: usize) -> Sender<Work> {
    let (threads, work) = channel::<Work>();
    let work = Arc::new(Mutex::new(work));
    for _ in 0..count.min(MOST_THREADS) {
        let work = work.clone();
        let worker = move || {
            stand_back(STANDS_BACK);
            while let Some(work) = next(&work) {
                let _ = catch_unwind(AssertUnwindSafe(work));
            }
        };
        if let Err(error) = std::thread::Builder::new().name("hashing".to_owned()).spawn(worker) {
            tracing::error!(%error, "a thread that hashes passwords could not be started");
        }
    }
    threads
}

fn next(work: &Mutex<Receiver<Work>>) -> Option<Work> {
    work.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    async fn until(happened: impl Fn() -> bool) {
        for _ in 0..10_000 {
            if happened() {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("it never happened");
    }

    #[tokio::test]
    async fn a_full_bulkhead_refuses_at_once_and_a_dropped_request_frees_nothing_early() {
        let bulkhead = Bulkhead::new(1, 1);
        let (release, blocked) = mpsc::channel::<()>();
        let running = tokio::spawn({
            let bulkhead = bulkhead.clone();
            async move { bulkhead.run(move || blocked.recv().is_ok()).await }
        });
        until(|| bulkhead.permits.available_permits() == 0).await;
        let waiting = tokio::spawn({
            let bulkhead = bulkhead.clone();
            async move { bulkhead.run(|| ()).await }
        });
        until(|| bulkhead.places.available_permits() == 0).await;
        assert_eq!(bulkhead.run(|| ()).await, Err(Outage::Busy));
        running.abort();
        assert!(running.await.is_err_and(|error| error.is_cancelled()));
        assert_eq!(bulkhead.run(|| ()).await, Err(Outage::Busy));
        release.send(()).expect("the work still runs");
        assert_eq!(waiting.await.expect("runs"), Ok(()));
    }

    fn password(text: &str) -> Password {
        serde_json::from_value(text.into()).expect("a password")
    }

    #[tokio::test]
    async fn a_hash_fits_its_password_alone_and_grows_with_the_settings() {
        let weak = Hashing::new(&Settings::for_tests(), Random::seeded(1)).expect("parameters");
        let stored = weak.hash(password("tea at four")).await.expect("hashes");
        assert!(stored.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{stored}");
        let check = |hashing: Arc<Hashing>, text: &str, stored: Option<&str>| {
            let (password, stored) = (password(text), stored.map(str::to_owned));
            async move { hashing.check(password, stored, "ada").await.expect("checks") }
        };
        let weak = Arc::new(weak);
        assert_eq!(check(weak.clone(), "tea at four", Some(&stored)).await, Checked::Right { stronger: None });
        assert_eq!(check(weak.clone(), "tea at five", Some(&stored)).await, Checked::Wrong);
        assert_eq!(check(weak, "tea at four", None).await, Checked::Wrong);
        let strong = Arc::new(Hashing::new(&Settings::default(), Random::seeded(2)).expect("parameters"));
        let Checked::Right { stronger: Some(stronger) } = check(strong, "tea at four", Some(&stored)).await else {
            panic!("a weak hash is made anew");
        };
        assert!(stronger.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stronger}");
    }

    #[test]
    fn who_is_not_there_costs_what_users_cost() {
        let hashing = Hashing::new(&Settings::default(), Random::seeded(1)).expect("parameters");
        let costs = |hashing: &Hashing| {
            let of = |number: i32| hashing.stand_ins.of(&number.to_string());
            let cheap = (0..1_000).filter(|number| of(*number).starts_with("$argon2id$v=19$m=19456,t=2,p=1$")).count();
            (0..1_000).for_each(|number| assert!(PasswordHash::new(&of(number)).is_ok()));
            cheap
        };
        assert_eq!(costs(&hashing), 1_000);
        let stored = |cost: &str| format!("{cost}$c2FsdHNhbHQ$dGFndGFndGFn");
        let (old, new) = (stored("$argon2id$v=19$m=19456,t=2,p=1"), stored("$argon2id$v=19$m=65536,t=3,p=1"));
        hashing.learn(&[old.clone(), new, old.clone(), old]);
        assert!((650..850).contains(&costs(&hashing)), "three of four");
        assert_eq!(hashing.stand_ins.of("ada"), hashing.stand_ins.of("ada"));
        hashing.learn(&[]);
        assert!((650..850).contains(&costs(&hashing)), "as before");
    }
}
