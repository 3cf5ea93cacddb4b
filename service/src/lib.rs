//! What both programs need to be good citizens: drain, signals, telemetry, admin endpoint.
mod drain;
pub use drain::{Drain, Leftover};
