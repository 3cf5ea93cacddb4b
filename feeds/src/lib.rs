//! What tells of subscriber sessions, or of their profiles, while the program runs.

pub mod gx;
mod metrics;
pub mod radius;

pub use metrics::Metrics;
