//! Limits by their names, for metrics and logs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use filter::Undecidable;

/// A limit that something reached. Each is a key of the configuration, but for those of which
/// docs/METRICS.md says otherwise.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Limit {
    /// `limits.connections_per_worker`
    ConnectionsPerWorker,
    /// `limits.connections_per_client`
    ConnectionsPerClient,
    /// The system has no descriptor or no memory for another connection.
    Descriptors,
    /// `client_hello.bytes_max`
    HelloBytes,
    /// `client_hello.memory_bytes_max`
    HelloMemory,
    /// `client_hello.deadline_ms`
    HelloDeadline,
    /// `http_head.bytes_max`
    HeadBytes,
    /// `http_head.deadline_ms`
    HeadDeadline,
    /// `limits.client_idle_s`
    ClientIdle,
    /// `limits.stall_s`
    Stall,
    /// `limits.answer_s`
    Answer,
    /// Bytes of informational answers before an answer.
    Interim,
    /// `limits.connect_s`
    Connect,
    /// `limits.tunnel_idle_s`
    TunnelIdle,
    /// `limits.half_closed_idle_s`
    HalfClosedIdle,
    /// `limits.read_over_bytes` and `limits.read_over_s`
    ReadOver,
}

impl Limit {
    /// Returns the word for logs and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionsPerWorker => "connections_per_worker",
            Self::ConnectionsPerClient => "connections_per_client",
            Self::Descriptors => "descriptors",
            Self::HelloBytes => "hello_bytes",
            Self::HelloMemory => "hello_memory",
            Self::HelloDeadline => "hello_deadline",
            Self::HeadBytes => "head_bytes",
            Self::HeadDeadline => "head_deadline",
            Self::ClientIdle => "client_idle",
            Self::Stall => "stall",
            Self::Answer => "answer",
            Self::Interim => "interim",
            Self::Connect => "connect",
            Self::TunnelIdle => "tunnel_idle",
            Self::HalfClosedIdle => "half_closed_idle",
            Self::ReadOver => "read_over",
        }
    }

    /// Returns the limit that made a Client Hello undecidable, if one did.
    pub(crate) fn of_hello(undecidable: Undecidable) -> Option<Self> {
        let limits = [
            (Undecidable::HelloTooLong, Self::HelloBytes),
            (Undecidable::HelloOverload, Self::HelloMemory),
            (Undecidable::HelloTooLate, Self::HelloDeadline),
        ];
        let found = limits.into_iter().find(|(why, _)| *why == undecidable);
        found.map(|(_, limit)| limit)
    }
}

/// Lets one in a second through, of whatever would fill the log.
#[derive(Debug)]
pub(crate) struct Seldom {
    start: Instant,
    /// The last second, from the start, in which one was let through.
    last: AtomicU64,
}

impl Default for Seldom {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            last: AtomicU64::new(0),
        }
    }
}

impl Seldom {
    /// Returns whether this is the first in this second.
    pub(crate) fn is_first(&self) -> bool {
        self.is_first_in(self.start.elapsed().as_secs())
    }

    fn is_first_in(&self, second: u64) -> bool {
        let second = second.saturating_add(1);
        self.last.fetch_max(second, Ordering::Relaxed) < second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_a_second_is_let_through() {
        let seldom = Seldom::default();
        let firsts = [0, 0, 1, 0, 1, 7, 7].map(|second| seldom.is_first_in(second));
        assert_eq!(firsts, [true, false, true, false, false, true, false]);
    }
}
