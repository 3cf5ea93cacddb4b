//! Everything that is counted, in one place. Compared with docs/METRICS.md by a test.

/// The proxy's metrics.
#[derive(Debug, Default)]
pub(crate) struct Metrics {}
