//! What both programs need to be good citizens: drain, signals, telemetry, errors for people and
//! the admin endpoint.

mod accept;
pub mod admin;
mod descriptors;
mod drain;
pub mod exit;
mod report;
pub mod signals;
pub mod telemetry;

pub use accept::{ACCEPT_PAUSE, accept, accept_by};
pub use admin::Admin;
pub use descriptors::raise_descriptor_limit;
pub use drain::{ABANDON_WAIT, Drain, Leftover, Said};
pub use report::{describe, report};
