//! What runs beside the listeners: recovery of orders, sweepers, and the hourly proof that the books are right.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use emporium_database::{Database, lease};
use emporium_kernel::{Call, Clock, Finding, Outage};
use futures_util::FutureExt;
use tokio::task::JoinHandle;

use super::Draining;
use crate::wiring::Modules;

const RECOVER_EVERY: Duration = Duration::from_millis(250);
const SWEEP_EVERY: Duration = Duration::from_secs(5);
const VERIFY_EVERY: Duration = Duration::from_secs(60 * 60);

/// How long after the start the first round of what is rarely done comes: sweepers go first.
const FIRST_ROUND: Duration = Duration::from_secs(60);

/// The running workers.
pub struct Workers(Vec<JoinHandle<()>>);

impl Workers {
    /// Waits until each has finished its round.
    pub async fn stop(self) {
        for worker in self.0 {
            if let Err(error) = worker.await {
                tracing::error!(%error, "a worker ended badly");
            }
        }
    }
}

/// Takes over what an earlier process left unfinished, and starts the workers.
pub async fn start(modules: &Arc<Modules>, draining: &Draining) -> anyhow::Result<Workers> {
    let mut workers = Vec::new();
    if let Some(shop) = modules.shop.clone() {
        if !shop.database().is_shared() {
            // Whoever held a lease is gone.
            shop.take_over().await?;
        }
        let recovering = shop.clone();
        workers.push(every(RECOVER_EVERY, draining, move || {
            let shop = recovering.clone();
            async move { shop.recover().await.map(drop).map_err(anyhow::Error::from) }
        }));
        let database = shop.database().clone();
        workers.push(swept(SWEEP_EVERY, draining, database, move || {
            let shop = shop.clone();
            async move { shop.sweep().await.map_err(anyhow::Error::from) }
        }));
    }
    if let Some(stock) = modules.inventory.clone() {
        let database = stock.database().clone();
        workers.push(swept(stock.settings().sweep_every(), draining, database, move || {
            let stock = stock.clone();
            async move { stock.sweep().await.map_err(anyhow::Error::from) }
        }));
    }
    if let Some(ledger) = modules.wallet.clone() {
        let database = ledger.database().clone();
        workers.push(swept(SWEEP_EVERY, draining, database, move || {
            let ledger = ledger.clone();
            async move { ledger.sweep().await.map_err(anyhow::Error::from) }
        }));
    }
    if let Some(users) = modules.auth.clone() {
        let database = users.database().clone();
        workers.push(swept(SWEEP_EVERY, draining, database, move || {
            let users = users.clone();
            async move { users.sweep().await.map_err(anyhow::Error::from) }
        }));
    }
    let proving = modules.clone();
    workers.push(every(VERIFY_EVERY, draining, move || verify(proving.clone())));
    Ok(Workers(workers))
}

/// Runs `sweep` every `period`, in one of the instances that share the database.
fn swept<F, W>(period: Duration, draining: &Draining, database: Database, sweep: F) -> JoinHandle<()>
where
    F: Fn() -> W + Clone + 'static,
    W: Future<Output = anyhow::Result<()>> + 'static,
{
    let term = period * 9 / 10;
    every(period, draining, move || {
        let (database, sweep) = (database.clone(), sweep.clone());
        async move {
            let now = Clock::system().now();
            if lease::take::<Outage>(&database, "sweep", now, term).await? { sweep().await } else { Ok(()) }
        }
    })
}

/// Runs `round` on a tick until the process drains; a failed round is logged and the next one tries again.
fn every<F, W>(period: Duration, draining: &Draining, round: F) -> JoinHandle<()>
where
    F: Fn() -> W + 'static,
    W: Future<Output = anyhow::Result<()>> + 'static,
{
    let draining = draining.clone();
    actix_web::rt::spawn(async move {
        let mut due = tokio::time::Instant::now() + period.min(FIRST_ROUND);
        while !draining.is_on() {
            tokio::time::sleep(Duration::from_millis(50).min(period)).await;
            if tokio::time::Instant::now() < due {
                continue;
            }
            match AssertUnwindSafe(round()).catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "a round of background work failed"),
                Err(_) => tracing::error!("a round of background work panicked"),
            }
            due = tokio::time::Instant::now() + period;
        }
    })
}

/// Checks every invariant and says loudly what is wrong.
async fn verify(modules: Arc<Modules>) -> anyhow::Result<()> {
    for (module, audit) in crate::cli::verify::all(&modules, &Call::internal("verify")).await {
        match audit {
            Ok(audit) => audit.findings.iter().for_each(|finding| {
                let Finding { invariant, subject, detail } = finding;
                tracing::error!(module, invariant, subject, detail, "the books are wrong");
            }),
            Err(error) => tracing::error!(module, %error, "the books could not be checked"),
        }
    }
    Ok(())
}
