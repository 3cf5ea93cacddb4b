//! Everything that is counted of live sessions. Compared with docs/METRICS.md by a test.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sessions::SessionStore;

use crate::api;
use crate::gx;
use crate::radius::Outcome;
use crate::shared;

/// The metrics of live sessions. Labels are words of enums.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    store: Arc<dyn SessionStore>,
    sessions: Gauge,
    ended: Counter,
    reports: Family<OutcomeLabel, Counter>,
    asked: Family<OutcomeLabel, Counter>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct OutcomeLabel {
    outcome: &'static str,
}

impl Metrics {
    /// Creates the metrics of a store.
    #[must_use]
    pub fn new(store: Arc<dyn SessionStore>) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("weir"),
            store,
            sessions: Gauge::default(),
            ended: Counter::default(),
            reports: Family::default(),
            asked: Family::default(),
        };
        metrics.register();
        metrics
    }

    /// Adds those of a policy server.
    #[must_use]
    pub fn with_gx(mut self, gx: &gx::Metrics) -> Self {
        gx.register(&mut self.registry);
        self
    }

    /// Adds those of a store that several gateways share.
    #[must_use]
    pub fn with_shared(mut self, shared: &shared::Metrics) -> Self {
        shared.register(&mut self.registry);
        self
    }

    /// Returns all metrics as OpenMetrics text.
    #[must_use]
    pub fn encode(&self) -> String {
        let sessions = i64::try_from(self.store.len()).unwrap_or(i64::MAX);
        self.sessions.set(sessions);
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            // Writing to a string does not fail.
            Err(std::fmt::Error) => String::new(),
        }
    }

    /// Counts what became of a datagram.
    pub(crate) fn reported(&self, outcome: Outcome) {
        let label = OutcomeLabel {
            outcome: outcome.as_str(),
        };
        self.reports.get_or_create(&label).inc();
    }

    /// Counts what became of a request of the admin API.
    pub(crate) fn asked(&self, outcome: api::Outcome) {
        let label = OutcomeLabel {
            outcome: outcome.as_str(),
        };
        self.asked.get_or_create(&label).inc();
    }

    /// Counts sessions that ended because nobody reported them any more.
    pub(crate) fn ended(&self, sessions: usize) {
        self.ended
            .inc_by(u64::try_from(sessions).unwrap_or(u64::MAX));
    }

    fn register(&mut self) {
        self.registry.register(
            "live_sessions",
            "Live sessions that are kept",
            self.sessions.clone(),
        );
        self.registry.register(
            "live_sessions_expired",
            "Live sessions dropped because their time was over or their NAS was switched",
            self.ended.clone(),
        );
        self.registry.register(
            "radius_requests",
            "Datagrams at the RADIUS listeners",
            self.reports.clone(),
        );
        self.registry.register(
            "session_api_requests",
            "Requests of the admin API for sessions",
            self.asked.clone(),
        );
    }
}
