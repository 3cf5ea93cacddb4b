//! Everything that is counted, in one place. Compared with docs/METRICS.md by a test.

use std::time::Duration;

use filter::{Decision, Protocol};
use policy::{Action, SniCheck};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::config::Mode;
use crate::dial::DialError;
use crate::icap::metrics::IcapMetrics;
use crate::limit::Limit;
use crate::sni_check::Outcome;

/// The first bucket of the decision times: a microsecond, which is what a cache hit takes.
const DECISION_BUCKET_FIRST: f64 = 1e-6;
/// Buckets of the decision times, each four times the one before: up to about four seconds.
const DECISION_BUCKETS: u16 = 12;

/// The proxy's metrics. Labels are words of enums, so there are never more than those.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    decisions: Family<DecisionLabels, Counter>,
    /// Blocks and redirects that profiles only report.
    decisions_not_enforced: Family<DecisionLabels, Counter>,
    decision_seconds: Histogram,
    undecidable: Family<ReasonLabel, Counter>,
    prefixes_rejected: Counter,
    sni_checks: Family<CheckLabels, Counter>,
    /// Entries in the caches of all workers.
    pub(crate) cache_entries: Gauge,
    connections: Family<ListenerLabel, Counter>,
    /// Connections that are open.
    pub(crate) connections_active: Gauge,
    /// Client Hellos that hold an encrypted one.
    pub(crate) encrypted_hellos: Counter,
    refused: Family<ReasonLabel, Counter>,
    bad_requests: Family<ReasonLabel, Counter>,
    limits: Family<LimitLabel, Counter>,
    origin_failures: Family<ReasonLabel, Counter>,
    bytes: Family<DirectionLabel, Counter>,
    /// Access log lines that were not written.
    pub(crate) access_log_dropped: Counter,
    /// Configurations put in force after the first.
    pub(crate) reloads: Counter,
    /// What the ICAP client counts.
    pub(crate) icap: IcapMetrics,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct DecisionLabels {
    action: &'static str,
    source: &'static str,
    protocol: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct CheckLabels {
    mode: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct LimitLabel {
    limit: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ListenerLabel {
    listener: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct DirectionLabel {
    direction: &'static str,
}

/// Why a connection was closed before anything was read from it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// An explicit client that is not in the listener's list.
    ClientNotListed,
    /// An intercepting listener, or another address of ours, was dialled itself.
    SelfAddressed,
    /// The original destination is unknown.
    NoOriginalDestination,
    /// A load balancer did not say who the client is.
    NoProxyHeader,
    /// The worker has as many connections as it may.
    ConnectionLimit,
    /// The client has as many connections as it may.
    ClientLimit,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("weir"),
            decisions: Family::default(),
            decisions_not_enforced: Family::default(),
            decision_seconds: Histogram::new(exponential_buckets(
                DECISION_BUCKET_FIRST,
                4.0,
                DECISION_BUCKETS,
            )),
            undecidable: Family::default(),
            prefixes_rejected: Counter::default(),
            sni_checks: Family::default(),
            cache_entries: Gauge::default(),
            connections: Family::default(),
            connections_active: Gauge::default(),
            encrypted_hellos: Counter::default(),
            refused: Family::default(),
            bad_requests: Family::default(),
            limits: Family::default(),
            origin_failures: Family::default(),
            bytes: Family::default(),
            access_log_dropped: Counter::default(),
            reloads: Counter::default(),
            icap: IcapMetrics::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    /// Returns all metrics as OpenMetrics text.
    pub(crate) fn encode(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            // Writing to a string does not fail.
            Err(std::fmt::Error) => String::new(),
        }
    }

    /// Counts a decision. Bytes that are not looked at have no protocol.
    pub(crate) fn decided(&self, decision: &Decision, protocol: Option<Protocol>, took: Duration) {
        let decisions = match decision.is_only_reported() {
            false => &self.decisions,
            true => &self.decisions_not_enforced,
        };
        decisions
            .get_or_create(&DecisionLabels {
                action: action_word(decision.action),
                source: decision.source.as_str(),
                protocol: protocol_word(protocol),
            })
            .inc();
        self.decision_seconds.observe(took.as_secs_f64());
        if let Some(reason) = decision.undecidable {
            count(&self.undecidable, reason.as_str());
        }
        if decision.prefix_rejected {
            self.prefixes_rejected.inc();
        }
    }

    /// Counts a name that was compared with the address dialled.
    pub(crate) fn sni_checked(&self, mode: SniCheck, outcome: Outcome) {
        let labels = CheckLabels {
            mode: mode.as_str(),
            outcome: outcome.as_str(),
        };
        self.sni_checks.get_or_create(&labels).inc();
    }

    /// Counts an accepted connection.
    pub(crate) fn accepted(&self, mode: Mode) {
        let listener = mode.as_str();
        self.connections
            .get_or_create(&ListenerLabel { listener })
            .inc();
    }

    /// Counts a connection that was refused.
    pub(crate) fn refused(&self, refusal: Refusal) {
        count(&self.refused, refusal.as_str());
    }

    /// Counts something that reached a limit.
    pub(crate) fn reached(&self, limit: Limit) {
        let limit = limit.as_str();
        self.limits.get_or_create(&LimitLabel { limit }).inc();
    }

    /// Counts a request head that was refused; `reason` is a word of an enum.
    pub(crate) fn bad_request(&self, reason: &'static str) {
        count(&self.bad_requests, reason);
    }

    /// Counts an origin that could not be reached.
    pub(crate) fn origin_failed(&self, error: &DialError) {
        count(&self.origin_failures, error.as_str());
    }

    /// Counts bytes that passed through in both directions.
    pub(crate) fn passed(&self, from_client: u64, to_client: u64) {
        for (direction, bytes) in [("from_client", from_client), ("to_client", to_client)] {
            self.bytes
                .get_or_create(&DirectionLabel { direction })
                .inc_by(bytes);
        }
    }

    fn register(&mut self) {
        self.icap.register(&mut self.registry);
        let registry = &mut self.registry;
        registry.register("decisions", "Decisions made", self.decisions.clone());
        registry.register(
            "decisions_not_enforced",
            "Blocks and redirects that profiles only report",
            self.decisions_not_enforced.clone(),
        );
        registry.register(
            "decision_seconds",
            "From a request to its decision",
            self.decision_seconds.clone(),
        );
        registry.register(
            "undecidable",
            "Requests that could not be judged",
            self.undecidable.clone(),
        );
        registry.register(
            "prefixes_rejected",
            "Answers of the categorizer whose prefix length was not valid",
            self.prefixes_rejected.clone(),
        );
        registry.register(
            "sni_checks",
            "Names that pass, compared with the address dialled",
            self.sni_checks.clone(),
        );
        registry.register(
            "cache_entries",
            "Entries in the caches of all workers",
            self.cache_entries.clone(),
        );
        self.register_connections();
    }

    fn register_connections(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "connections",
            "Connections accepted",
            self.connections.clone(),
        );
        registry.register(
            "connections_active",
            "Connections open",
            self.connections_active.clone(),
        );
        registry.register(
            "encrypted_client_hellos",
            "Client Hellos that hold an encrypted one",
            self.encrypted_hellos.clone(),
        );
        registry.register(
            "connections_refused",
            "Connections closed before anything was read from them",
            self.refused.clone(),
        );
        registry.register(
            "bad_requests",
            "Request heads refused with 400",
            self.bad_requests.clone(),
        );
        registry.register(
            "limits_reached",
            "Connections and requests that reached a limit",
            self.limits.clone(),
        );
        registry.register(
            "origin_failures",
            "Origins that could not be reached",
            self.origin_failures.clone(),
        );
        registry.register("bytes", "Bytes passed through", self.bytes.clone());
        registry.register(
            "access_log_dropped",
            "Access log lines that were not written",
            self.access_log_dropped.clone(),
        );
        registry.register(
            "reloads",
            "Configurations put in force after the first",
            self.reloads.clone(),
        );
    }
}

impl Refusal {
    /// Returns the word for logs and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ClientNotListed => "client_not_listed",
            Self::SelfAddressed => "self_addressed",
            Self::NoOriginalDestination => "no_original_destination",
            Self::NoProxyHeader => "no_proxy_header",
            Self::ConnectionLimit => "connection_limit",
            Self::ClientLimit => "client_limit",
        }
    }

    /// Returns the limit that was reached, if one was.
    pub(crate) fn limit(self) -> Option<Limit> {
        match self {
            Self::ClientNotListed
            | Self::SelfAddressed
            | Self::NoOriginalDestination
            | Self::NoProxyHeader => None,
            Self::ConnectionLimit => Some(Limit::ConnectionsPerWorker),
            Self::ClientLimit => Some(Limit::ConnectionsPerClient),
        }
    }
}

/// Returns the word for an action in logs and metrics.
pub(crate) fn action_word(action: Action) -> &'static str {
    match action {
        Action::Pass => "pass",
        Action::Block => "block",
        Action::Redirect(_) => "redirect",
    }
}

fn protocol_word(protocol: Option<Protocol>) -> &'static str {
    match protocol {
        Some(Protocol::Http) => "http",
        Some(Protocol::Tls) => "tls",
        None => "raw",
    }
}

fn count(family: &Family<ReasonLabel, Counter>, reason: &'static str) {
    family.get_or_create(&ReasonLabel { reason }).inc();
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use filter::{AskError, Undecidable};
    use policy::Effect;

    use super::*;

    const DOCUMENTED: &str = include_str!("../../docs/METRICS.md");

    #[test]
    fn the_documentation_lists_what_is_counted_and_nothing_else() {
        let counted: BTreeSet<String> = used().encode().lines().filter_map(name_of).collect();
        let section = DOCUMENTED.split("\n## ").find(|s| s.starts_with("Proxy\n"));
        let rows = section.unwrap().lines();
        let documented: BTreeSet<String> = rows
            .filter_map(|row| row.strip_prefix("| `"))
            .filter_map(|row| row.split('`').next())
            .map(|name| name.trim_end_matches("_total").to_owned())
            .collect();
        assert_eq!(counted, documented);
    }

    /// Returns metrics in which every family has a row.
    fn used() -> Metrics {
        let metrics = Metrics::default();
        let decision = Decision {
            undecidable: Some(Undecidable::NoSni),
            ..Decision::unfiltered()
        };
        metrics.decided(&decision, None, Duration::ZERO);
        let reported = Decision {
            action: Action::Block,
            effect: Effect::Reported,
            ..decision
        };
        metrics.decided(&reported, None, Duration::ZERO);
        metrics.sni_checked(SniCheck::Log, Outcome::Late);
        metrics.accepted(Mode::Tproxy);
        metrics.refused(Refusal::SelfAddressed);
        metrics.bad_request("two_lengths");
        metrics.reached(Limit::Stall);
        metrics.origin_failed(&DialError::TimedOut);
        metrics.passed(0, 0);
        metrics.icap.asked(&Err(AskError::Timeout), Duration::ZERO);
        metrics.icap.options("answer");
        metrics
    }

    fn name_of(line: &str) -> Option<String> {
        let mut words = line.strip_prefix("# TYPE ")?.split(' ');
        words.next().map(str::to_owned)
    }
}
