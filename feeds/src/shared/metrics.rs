//! What is counted of a store that several gateways share.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Bounds of the time of questions and changes, in seconds.
const SECONDS: [f64; 10] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0,
];

/// The metrics of a store that several gateways share.
#[derive(Clone, Debug)]
pub struct Metrics {
    lookups: Family<FoundLabel, Counter>,
    /// Parts of `lookups`, which count without a lock.
    pub(super) known: Counter,
    pub(super) asked: Counter,
    pub(super) unknown: Counter,
    pub(super) invalidations: Counter,
    failures: Family<WhyLabel, Counter>,
    seconds: Family<CallLabel, Histogram>,
    pub(super) is_up: Gauge,
    pub(super) connections: Counter,
    pub(super) retries: Counter,
    pub(super) owed: Gauge,
}

/// How a client was found.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct FoundLabel {
    found: &'static str,
}

/// Why the store did not do what it was asked for.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct WhyLabel {
    why: &'static str,
}

/// What the store is asked for.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct CallLabel {
    call: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let lookups = Family::default();
        let part = |found| Counter::clone(&lookups.get_or_create(&FoundLabel { found }));
        Self {
            known: part("known"),
            asked: part("asked"),
            unknown: part("unknown"),
            lookups,
            invalidations: Counter::default(),
            failures: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            is_up: Gauge::default(),
            connections: Counter::default(),
            retries: Counter::default(),
            owed: Gauge::default(),
        }
    }
}

impl Metrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "session_store_lookups",
            "Clients looked for: known here, asked for, or not to be asked for",
            self.lookups.clone(),
        );
        registry.register(
            "session_store_invalidations",
            "Ranges that the store said were changed",
            self.invalidations.clone(),
        );
        registry.register(
            "session_store_failures",
            "Questions and changes that the store did not answer, or refused",
            self.failures.clone(),
        );
        registry.register(
            "session_store_seconds",
            "How long questions and changes took",
            self.seconds.clone(),
        );
        registry.register(
            "session_store_up",
            "Whether the store is connected",
            self.is_up.clone(),
        );
        registry.register(
            "session_store_connections",
            "Connections to the store that were made",
            self.connections.clone(),
        );
        registry.register(
            "session_store_retries",
            "Changes that were planned anew, as there was something else",
            self.retries.clone(),
        );
        registry.register(
            "session_store_owed",
            "Selections of profiles that wait for the store",
            self.owed.clone(),
        );
    }

    pub(super) fn failed(&self, why: &'static str) {
        self.failures.get_or_create(&WhyLabel { why }).inc();
    }

    pub(super) fn took(&self, call: &'static str, seconds: f64) {
        self.seconds
            .get_or_create(&CallLabel { call })
            .observe(seconds);
    }
}
