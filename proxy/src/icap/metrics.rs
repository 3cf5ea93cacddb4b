//! What the ICAP client counts. Labels are words of enums; services are not among them.

use std::time::Duration;

use filter::{Answer, AskError};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// The first bucket of the times that answers take: an exchange over loopback.
const ANSWER_BUCKET_FIRST: f64 = 50e-6;
/// Buckets of these times, each twice the one before: up to about 1.6 seconds.
const ANSWER_BUCKETS: u16 = 16;

/// The ICAP client's metrics; clones count together.
#[derive(Clone, Debug)]
pub(crate) struct IcapMetrics {
    questions: Family<OutcomeLabel, Counter>,
    question_seconds: Histogram,
    options: Family<OutcomeLabel, Counter>,
    /// Connections that are open.
    pub(super) connections: Gauge,
    /// Endpoints that questions are sent to.
    pub(super) endpoints_up: Gauge,
    /// Questions sent again on a fresh connection.
    pub(super) retries: Counter,
    /// Questions that another endpoint was asked too because the first was slow.
    pub(super) hedges: Counter,
    /// Questions that got the answer to an equal one.
    pub(super) shared: Counter,
    /// ISTag changes.
    pub(super) flushes: Counter,
    /// Answers that may not be cached because of their ISTag.
    pub(super) unkept: Counter,
    /// Connections closed because there was more on them than the answer.
    pub(super) unclean: Counter,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct OutcomeLabel {
    outcome: &'static str,
}

impl Default for IcapMetrics {
    fn default() -> Self {
        Self {
            questions: Family::default(),
            question_seconds: Histogram::new(exponential_buckets(
                ANSWER_BUCKET_FIRST,
                2.0,
                ANSWER_BUCKETS,
            )),
            options: Family::default(),
            connections: Gauge::default(),
            endpoints_up: Gauge::default(),
            retries: Counter::default(),
            hedges: Counter::default(),
            shared: Counter::default(),
            flushes: Counter::default(),
            unkept: Counter::default(),
            unclean: Counter::default(),
        }
    }
}

impl IcapMetrics {
    /// Makes the metrics part of a registry.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "icap_questions",
            "Questions to the categorizer by outcome",
            self.questions.clone(),
        );
        registry.register(
            "icap_question_seconds",
            "From a question to its answer or failure",
            self.question_seconds.clone(),
        );
        registry.register(
            "icap_options",
            "OPTIONS exchanges by outcome",
            self.options.clone(),
        );
        registry.register(
            "icap_connections_active",
            "Connections to ICAP endpoints open",
            self.connections.clone(),
        );
        registry.register(
            "icap_endpoints_up",
            "ICAP endpoints that questions are sent to",
            self.endpoints_up.clone(),
        );
        self.register_counters(registry);
    }

    fn register_counters(&self, registry: &mut Registry) {
        registry.register(
            "icap_retries",
            "Questions sent again on a fresh connection",
            self.retries.clone(),
        );
        registry.register(
            "icap_hedges",
            "Questions that a second endpoint was asked while the first was slow",
            self.hedges.clone(),
        );
        registry.register(
            "icap_shared_questions",
            "Questions that got the answer to an equal one asked at the same time",
            self.shared.clone(),
        );
        registry.register(
            "icap_flushes",
            "ISTag changes that made cached answers stale",
            self.flushes.clone(),
        );
        registry.register(
            "icap_unkept_answers",
            "Answers not cached because of their ISTag",
            self.unkept.clone(),
        );
        registry.register(
            "icap_unclean_connections",
            "Connections closed because there was more on them than the answer",
            self.unclean.clone(),
        );
    }

    /// Counts a question that has its answer or has failed.
    pub(crate) fn asked(&self, answer: &Result<Answer, AskError>, took: Duration) {
        let outcome = match answer {
            Ok(_) => "answer",
            Err(error) => error.as_str(),
        };
        count(&self.questions, outcome);
        self.question_seconds.observe(took.as_secs_f64());
    }

    /// Counts an OPTIONS exchange.
    pub(crate) fn options(&self, outcome: &'static str) {
        count(&self.options, outcome);
    }
}

fn count(family: &Family<OutcomeLabel, Counter>, outcome: &'static str) {
    family.get_or_create(&OutcomeLabel { outcome }).inc();
}
