use std::time::Duration;

use diameter::client::Failure;
use diameter::command::{Outcome, RequestType};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// The first bucket of the times that answers take.
const ANSWER_BUCKET_FIRST: f64 = 500e-6;
/// Buckets of these times, each twice the one before: up to about 16 seconds.
const ANSWER_BUCKETS: u16 = 16;

/// What is counted of Gx; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    pub(super) answer_seconds: Histogram,
    asked: Family<OutcomeLabel, Counter>,
    /// Peers that requests may go to.
    pub(super) peers_up: Gauge,
    /// Sessions that the policy server is told of.
    pub(super) sessions: Gauge,
    /// Requests that wait for answers.
    pub(super) pending: Gauge,
    /// Messages of peers that could not be used.
    pub(super) bad_messages: Counter,
    /// Answers to nothing that was asked, or that was given up.
    pub(super) strays: Counter,
    /// Requests of the policy server that came again.
    pub(super) again: Counter,
    /// Session events that were not taken, or sessions over the limit.
    pub(super) refused_events: Counter,
    /// Connections to peers that ended.
    pub(super) disconnects: Counter,
}

/// What became of a request of ours.
#[derive(Clone, Copy, Debug)]
pub(super) enum Became {
    Answered,
    Declined,
    Bad,
    Failed(Failure),
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RequestLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct OutcomeLabel {
    outcome: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let buckets = exponential_buckets(ANSWER_BUCKET_FIRST, 2.0, ANSWER_BUCKETS);
        Self {
            requests: Family::default(),
            answer_seconds: Histogram::new(buckets),
            asked: Family::default(),
            peers_up: Gauge::default(),
            sessions: Gauge::default(),
            pending: Gauge::default(),
            bad_messages: Counter::default(),
            strays: Counter::default(),
            again: Counter::default(),
            refused_events: Counter::default(),
            disconnects: Counter::default(),
        }
    }
}

impl Metrics {
    /// Makes the metrics part of a registry.
    pub fn register(&self, registry: &mut Registry) {
        let to = registry;
        to.register(
            "gx_requests",
            "Requests to the policy server by kind and outcome",
            self.requests.clone(),
        );
        to.register(
            "gx_answer_seconds",
            "From a request to the policy server to its answer",
            self.answer_seconds.clone(),
        );
        to.register(
            "gx_asked",
            "Requests of the policy server by outcome",
            self.asked.clone(),
        );
        to.register(
            "gx_peers_up",
            "Diameter peers that requests may go to",
            self.peers_up.clone(),
        );
        to.register(
            "gx_sessions",
            "Sessions that the policy server is told of",
            self.sessions.clone(),
        );
        to.register(
            "gx_pending",
            "Requests to the policy server that wait for answers",
            self.pending.clone(),
        );
        self.register_counters(to);
    }

    fn register_counters(&self, registry: &mut Registry) {
        registry.register(
            "gx_bad_messages",
            "Messages of Diameter peers that could not be used",
            self.bad_messages.clone(),
        );
        registry.register(
            "gx_stray_answers",
            "Answers to nothing that was asked, or that was given up",
            self.strays.clone(),
        );
        registry.register(
            "gx_repeated_requests",
            "Requests of the policy server that were answered before",
            self.again.clone(),
        );
        registry.register(
            "gx_refused_events",
            "Session events that the queue to the policy server or its sessions had no room for",
            self.refused_events.clone(),
        );
        registry.register(
            "gx_disconnects",
            "Connections to Diameter peers that ended",
            self.disconnects.clone(),
        );
    }

    pub(super) fn became(&self, kind: RequestType, became: Became) {
        let kind = match kind {
            RequestType::Initial => "initial",
            RequestType::Update => "update",
            RequestType::Termination => "termination",
        };
        let outcome = match became {
            Became::Answered => "answered",
            Became::Declined => "declined",
            Became::Bad => "bad",
            Became::Failed(Failure::NoPeer) => "no_peer",
            Became::Failed(Failure::Deadline) => "deadline",
            Became::Failed(Failure::Lost) => "lost",
        };
        self.requests
            .get_or_create(&RequestLabels { kind, outcome })
            .inc();
    }

    pub(super) fn asked(&self, outcome: Outcome) {
        let is_done = outcome.is_success();
        let outcome = if is_done { "done" } else { "refused" };
        self.asked.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    pub(super) fn took(&self, time: Duration) {
        self.answer_seconds.observe(time.as_secs_f64());
    }
}
