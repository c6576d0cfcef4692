//! The process's metrics registry, and the calls between modules counted in it.

use std::sync::LazyLock;
use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

/// Everything this process measures.
pub static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::new);

static CALLS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("emporium_contract_calls_total", "Calls between modules.", &["contract", "method", "outcome"])
});

static CALL_SECONDS: LazyLock<HistogramVec> = LazyLock::new(|| {
    histogram("emporium_contract_call_duration_seconds", "Duration of calls between modules.", &["contract", "method"])
});

/// A counter in the process's registry. Labels take values from closed sets only.
pub fn counter(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    #[expect(clippy::expect_used, reason = "names and labels are literals; a bad one must fail the first test")]
    let made = IntCounterVec::new(Opts::new(name, help), labels).expect("a valid metric");
    register(&made);
    made
}

/// A histogram of seconds in the process's registry.
pub fn histogram(name: &str, help: &str, labels: &[&str]) -> HistogramVec {
    let buckets = vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
    let options = HistogramOpts::new(name, help).buckets(buckets);
    #[expect(clippy::expect_used, reason = "names and labels are literals; a bad one must fail the first test")]
    let made = HistogramVec::new(options, labels).expect("a valid metric");
    register(&made);
    made
}

fn register<C: prometheus::core::Collector + Clone + 'static>(collector: &C) {
    if let Err(error) = REGISTRY.register(Box::new(collector.clone())) {
        tracing::error!(%error, "a metric was registered twice");
    }
}

/// Counts one call between modules, near or far.
pub(crate) fn count_call(contract: &'static str, method: &'static str, outcome: &'static str, took: Duration) {
    CALLS.with_label_values(&[contract, method, outcome]).inc();
    CALL_SECONDS.with_label_values(&[contract, method]).observe(took.as_secs_f64());
}
