//! What runs beside the listeners: recovery of orders, sweepers, and the hourly proof that the books are right.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use emporium_database::{Database, lease};
use emporium_kernel::{Audit, Clock, Finding, Outage, metric};
use futures_util::FutureExt;
use prometheus::IntCounterVec;
use tokio::task::JoinHandle;

use super::Draining;
use crate::wiring::{Chore, Modules, Proof};

static PROOFS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Proofs of the books of a module; outcome is right, wrong or failed.";
    metric::counter("emporium_proofs_total", help, &["module", "outcome"])
});

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
    for module in modules.iter() {
        module.take_over().await?;
        let database = module.database().clone();
        workers.extend(module.chores().into_iter().map(|chore| start_chore(chore, draining, database.clone())));
    }
    expect_proofs(modules);
    let proving = modules.clone();
    workers.push(every(VERIFY_EVERY, draining, move || verify(proving.clone())));
    Ok(Workers(workers))
}

fn start_chore(chore: Chore, draining: &Draining, database: Database) -> JoinHandle<()> {
    let Chore { every: period, alone, round } = chore;
    if !alone {
        return every(period, draining, round);
    }
    let (term, round) = (period * 9 / 10, Rc::new(round));
    every(period, draining, move || {
        let (database, round) = (database.clone(), round.clone());
        async move {
            let now = Clock::system().now();
            if lease::take::<Outage>(&database, "sweep", now, term).await? { round().await } else { Ok(()) }
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
            let round = AssertUnwindSafe(round()).catch_unwind();
            tokio::select! {
                done = round => match done {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%error, "a round of background work failed"),
                    Err(_) => tracing::error!("a round of background work panicked"),
                },
                () = given_up(&draining) => break,
            }
            due = tokio::time::Instant::now() + period;
        }
    })
}

/// How long a round may go on when the process stops. What it wrote stays, and the next process does the rest.
const GRACE: Duration = Duration::from_secs(5);

async fn given_up(draining: &Draining) {
    while !draining.is_on() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(GRACE).await;
}

const OUTCOMES: [&str; 3] = ["right", "wrong", "failed"];

/// Counts from zero, so that the first proof that is wrong is an increase.
fn expect_proofs(modules: &Modules) {
    for (module, _) in modules.proofs("verify") {
        for outcome in OUTCOMES {
            PROOFS.with_label_values(&[module, outcome]);
        }
    }
}

/// Checks every invariant, and says and counts what is wrong.
async fn verify(modules: Arc<Modules>) -> anyhow::Result<()> {
    for (module, proof) in modules.proofs("verify") {
        PROOFS.with_label_values(&[module, outcome(module, ended(proof).await)]).inc();
    }
    Ok(())
}

/// How a proof ends; one that panicked failed.
async fn ended(proof: Proof<'_>) -> anyhow::Result<Audit> {
    AssertUnwindSafe(proof).catch_unwind().await.unwrap_or_else(|_| Err(anyhow::anyhow!("it panicked")))
}

/// Says what is wrong; the outcome in a word.
fn outcome(module: &str, audit: anyhow::Result<Audit>) -> &'static str {
    match audit {
        Ok(audit) if audit.is_clean() => "right",
        Ok(audit) => {
            for Finding { invariant, subject, detail } in &audit.findings {
                tracing::error!(module, invariant, subject, detail, "the books are wrong");
            }
            "wrong"
        }
        Err(error) => {
            tracing::error!(module, %error, "the books could not be checked");
            "failed"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_proof_is_right_wrong_or_failed() {
        let mut audit = Audit::default();
        let right = audit.clone();
        assert_eq!(outcome("wallet", ended(async move { Ok(right) }.boxed_local()).await), "right");
        audit.find("sums_are_zero", "USD", "it is 1");
        assert_eq!(outcome("wallet", ended(async move { Ok(audit) }.boxed_local()).await), "wrong");
        let failing = async { Err(anyhow::anyhow!("no answer")) };
        assert_eq!(outcome("wallet", ended(failing.boxed_local()).await), "failed");
        let panicking = async { panic!("a defect") };
        assert_eq!(outcome("wallet", ended(panicking.boxed_local()).await), "failed");
    }
}
