use std::fmt::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// What is counted of attempts to fetch a category file. Clones count into the same numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulls {
    attempts: Family<PullLabels, Counter>,
    failed: Gauge,
    succeeded: Gauge,
}

/// How an attempt to fetch a category file ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PullOutcome {
    /// A new file is in force.
    New,
    /// The file that is here is still the one.
    Unchanged,
    /// There was no connection, or it failed.
    Unreachable,
    /// The answer had another status, or led elsewhere.
    Status,
    /// The file was longer than configured.
    TooLong,
    /// The file did not come within the deadline.
    Late,
    /// The file had no signature, or not that of the key.
    Signature,
    /// The signature was made before that of the file in force.
    Older,
    /// The file was no database.
    Invalid,
    /// The file could not be written here.
    NotWritten,
}

#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct PullLabels {
    outcome: PullOutcome,
}

impl Pulls {
    /// Counts an attempt to fetch a category file that ended at `now`. Who sees the count sees the
    /// rest too.
    pub(crate) fn ended(&self, outcome: PullOutcome, now: SystemTime) {
        let good = matches!(outcome, PullOutcome::New | PullOutcome::Unchanged);
        self.failed.set(i64::from(!good));
        if good {
            let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
            let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
            self.succeeded.set(now);
        }
        self.attempts.get_or_create(&PullLabels { outcome }).inc();
    }

    /// Ends the alarm of what is not tried any more.
    pub(crate) fn given_up(&self) {
        self.failed.set(0);
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "category_pulls",
            "Attempts to fetch a category file",
            self.attempts.clone(),
        );
        registry.register(
            "category_pull_failed",
            "Whether the last attempt to fetch a category file failed",
            self.failed.clone(),
        );
        registry.register_with_unit(
            "category_pull_timestamp",
            "When the last attempt to fetch a category file succeeded, in Unix time",
            Unit::Seconds,
            self.succeeded.clone(),
        );
    }
}

impl PullOutcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Unchanged => "unchanged",
            Self::Unreachable => "unreachable",
            Self::Status => "status",
            Self::TooLong => "too_long",
            Self::Late => "late",
            Self::Signature => "signature",
            Self::Older => "older",
            Self::Invalid => "invalid",
            Self::NotWritten => "not_written",
        }
    }
}

impl EncodeLabelValue for PullOutcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(self.as_str())
    }
}
