use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use filter::Decision;
use policy::Action;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::content::Service;

mod pulls;

pub use self::pulls::PullOutcome;
pub(crate) use self::pulls::Pulls;

/// Everything that is counted. Clones count into the same numbers.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    accepted: Family<AcceptedLabels, Counter>,
    ended: Family<EndedLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    categorized: Family<CategorizedLabels, Counter>,
    decisions: Family<DecisionLabels, Counter>,
    decisions_not_enforced: Family<DecisionLabels, Counter>,
    answer_seconds: Histogram,
    /// Connections that are open now.
    pub(crate) connections: Gauge,
    /// Reloads.
    pub(crate) reloads: Counter,
    /// Reloads that changed nothing, since something was wrong.
    pub(crate) refused_reloads: Counter,
    /// 1 from a refused reload until one that is not.
    pub(crate) reload_failed: Gauge,
    /// Attempts to fetch a category file.
    pub(crate) pulls: Pulls,
}

/// Whether a new connection found a place.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Admission {
    /// It is served.
    Admitted,
    /// Over the limit: it gets one answer that says so.
    Refused,
    /// Far over the limit: it is closed.
    Dropped,
    /// From an address that the listener does not serve: it is closed.
    NotListed,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum End {
    /// The client closed it, or asked us to.
    Client,
    /// Nothing came for too long.
    Idle,
    /// A request, or a body, came too slowly, or an answer was not read.
    Slow,
    /// No TLS, or no certificate that is accepted.
    Handshake,
    /// What came was no request.
    BadRequest,
    /// A request that could not be served, or a body that nobody would read.
    Refused,
    /// We were asked to stop.
    Drained,
    /// The connection failed.
    Failed,
}

/// What was asked of whom.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum ServiceLabel {
    Categorize,
    Filter,
    Unknown,
}

/// What was asked.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum MethodLabel {
    Options,
    Reqmod,
    Respmod,
    Unknown,
}

/// What is known about a URI.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Categorized {
    /// It has categories.
    Found,
    /// It has none.
    Unknown,
    /// It is no URI.
    Invalid,
}

#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct AcceptedLabels {
    admission: Admission,
}

#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct EndedLabels {
    reason: End,
}

#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct RequestLabels {
    pub(crate) service: ServiceLabel,
    pub(crate) method: MethodLabel,
    pub(crate) status: u16,
}

#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct CategorizedLabels {
    outcome: Categorized,
}

#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct DecisionLabels {
    action: ActionLabel,
    source: SourceLabel,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum ActionLabel {
    Pass,
    Block,
    Redirect,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct SourceLabel(filter::Source);

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Arc::default(),
            accepted: Family::default(),
            ended: Family::default(),
            requests: Family::default(),
            categorized: Family::default(),
            decisions: Family::default(),
            decisions_not_enforced: Family::default(),
            // 1 µs to 0.26 s.
            answer_seconds: Histogram::new(exponential_buckets(0.000_001, 4.0, 10)),
            connections: Gauge::default(),
            reloads: Counter::default(),
            refused_reloads: Counter::default(),
            reload_failed: Gauge::default(),
            pulls: Pulls::default(),
        };
        metrics.registry = Arc::new(metrics.register());
        metrics
    }

    /// Returns the metrics as OpenMetrics text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    pub(crate) fn accepted(&self, admission: Admission) {
        self.accepted
            .get_or_create(&AcceptedLabels { admission })
            .inc();
    }

    pub(crate) fn ended(&self, reason: End) {
        self.ended.get_or_create(&EndedLabels { reason }).inc();
    }

    /// Returns the counter of answers like this.
    pub(crate) fn answers(&self, labels: &RequestLabels) -> Counter {
        self.requests.get_or_create(labels).clone()
    }

    pub(crate) fn categorized(&self, outcome: Categorized) {
        self.categorized
            .get_or_create(&CategorizedLabels { outcome })
            .inc();
    }

    /// Counts a decision of `/filter`, apart if it is only reported.
    pub(crate) fn decided(&self, decision: &Decision) {
        let action = match decision.action {
            Action::Pass => ActionLabel::Pass,
            Action::Block => ActionLabel::Block,
            Action::Redirect(_) => ActionLabel::Redirect,
        };
        let labels = DecisionLabels {
            action,
            source: SourceLabel(decision.source),
        };
        let decisions = match decision.is_only_reported() {
            false => &self.decisions,
            true => &self.decisions_not_enforced,
        };
        decisions.get_or_create(&labels).inc();
    }

    pub(crate) fn took(&self, time: Duration) {
        self.answer_seconds.observe(time.as_secs_f64());
    }

    fn register(&self) -> Registry {
        let mut registry = Registry::with_prefix("weir_icap_server");
        registry.register(
            "accepted_connections",
            "Connections that were accepted",
            self.accepted.clone(),
        );
        registry.register(
            "ended_connections",
            "Connections that ended",
            self.ended.clone(),
        );
        registry.register(
            "connections",
            "Connections that are open now",
            self.connections.clone(),
        );
        registry.register("requests", "Answers that were given", self.requests.clone());
        registry.register(
            "categorized",
            "URIs that /categorize looked up",
            self.categorized.clone(),
        );
        registry.register(
            "decisions",
            "Decisions that /filter made",
            self.decisions.clone(),
        );
        registry.register(
            "decisions_not_enforced",
            "Blocks and redirects of /filter that profiles only report",
            self.decisions_not_enforced.clone(),
        );
        registry.register_with_unit(
            "answer",
            "Time from a complete request head to its answer",
            Unit::Seconds,
            self.answer_seconds.clone(),
        );
        registry.register(
            "reloads",
            "Times that categories and policy were replaced",
            self.reloads.clone(),
        );
        registry.register(
            "refused_reloads",
            "Reloads that changed nothing, since something was wrong",
            self.refused_reloads.clone(),
        );
        registry.register(
            "reload_failed",
            "Whether the last reload was refused",
            self.reload_failed.clone(),
        );
        self.pulls.register(&mut registry);
        registry
    }
}

impl Admission {
    fn as_str(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Refused => "refused",
            Self::Dropped => "dropped",
            Self::NotListed => "client_not_listed",
        }
    }
}

impl End {
    fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Idle => "idle",
            Self::Slow => "slow",
            Self::Handshake => "handshake",
            Self::BadRequest => "bad_request",
            Self::Refused => "refused",
            Self::Drained => "drained",
            Self::Failed => "failed",
        }
    }
}

impl ServiceLabel {
    pub(crate) fn of(service: Option<Service>) -> Self {
        match service {
            Some(Service::Categorize) => Self::Categorize,
            Some(Service::Filter) => Self::Filter,
            None => Self::Unknown,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Categorize => "categorize",
            Self::Filter => "filter",
            Self::Unknown => "unknown",
        }
    }
}

impl MethodLabel {
    fn as_str(self) -> &'static str {
        match self {
            Self::Options => "OPTIONS",
            Self::Reqmod => "REQMOD",
            Self::Respmod => "RESPMOD",
            Self::Unknown => "unknown",
        }
    }
}

impl Categorized {
    fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Unknown => "unknown",
            Self::Invalid => "invalid",
        }
    }
}

impl ActionLabel {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Block => "block",
            Self::Redirect => "redirect",
        }
    }
}

impl SourceLabel {
    fn as_str(self) -> &'static str {
        self.0.as_str()
    }
}

macro_rules! encoded_as_word {
    ($($label:ty),*) => {$(
        impl EncodeLabelValue for $label {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
                encoder.write_str(self.as_str())
            }
        }
    )*};
}

encoded_as_word!(
    Admission,
    End,
    ServiceLabel,
    MethodLabel,
    Categorized,
    ActionLabel,
    SourceLabel
);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn labels_are_words() {
        let text = counted().text();
        for line in [
            "weir_icap_server_accepted_connections_total{admission=\"admitted\"} 1\n",
            "weir_icap_server_ended_connections_total{reason=\"idle\"} 1\n",
            "weir_icap_server_requests_total{service=\"categorize\",method=\"REQMOD\",status=\"204\"} 1\n",
            "weir_icap_server_categorized_total{outcome=\"found\"} 1\n",
            "weir_icap_server_decisions_total{action=\"block\",source=\"block_list\"} 1\n",
            "weir_icap_server_decisions_not_enforced_total{action=\"block\",source=\"block_list\"} 1\n",
            "weir_icap_server_answer_seconds_bucket{le=\"0.000004\"} 1\n",
            "weir_icap_server_connections 1\n",
            "weir_icap_server_reloads_total 1\n",
            "weir_icap_server_refused_reloads_total 1\n",
            "weir_icap_server_reload_failed 1\n",
            "weir_icap_server_category_pulls_total{outcome=\"too_long\"} 1\n",
            "weir_icap_server_category_pull_failed 1\n",
            "weir_icap_server_category_pull_timestamp_seconds 7\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn the_documentation_lists_every_metric_and_no_other() {
        let text = counted().text();
        let served: BTreeSet<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
            .map(|(name, kind)| match kind {
                "counter" => format!("{name}_total"),
                _ => name.to_owned(),
            })
            .collect();
        let documented: BTreeSet<String> = include_str!("../../docs/METRICS.md")
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .filter(|name| name.starts_with("weir_icap_server_"))
            .map(str::to_owned)
            .collect();
        assert_eq!(served, documented);
    }

    fn counted() -> Metrics {
        let metrics = Metrics::new();
        metrics.accepted(Admission::Admitted);
        metrics.ended(End::Idle);
        let labels = RequestLabels {
            service: ServiceLabel::Categorize,
            method: MethodLabel::Reqmod,
            status: 204,
        };
        metrics.answers(&labels).inc();
        metrics.categorized(Categorized::Found);
        let blocked = Decision {
            action: Action::Block,
            source: filter::Source::BlockList,
            ..Decision::unfiltered()
        };
        metrics.decided(&blocked);
        let reported = Decision {
            effect: policy::Effect::Reported,
            ..blocked
        };
        metrics.decided(&reported);
        metrics.took(Duration::from_micros(3));
        metrics.connections.inc();
        metrics.reloads.inc();
        metrics.refused_reloads.inc();
        metrics.reload_failed.set(1);
        metrics
            .pulls
            .ended(PullOutcome::New, UNIX_EPOCH + Duration::from_secs(7));
        metrics
            .pulls
            .ended(PullOutcome::TooLong, UNIX_EPOCH + Duration::from_secs(8));
        metrics
    }
}
