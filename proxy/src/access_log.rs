//! One JSON line per decision.

/// Writes access log lines through a bounded queue.
#[derive(Clone, Debug)]
pub(crate) struct AccessLogger {}
