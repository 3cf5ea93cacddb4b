//! The ICAP server: `/categorize` answers with categories, `/filter` with a profile's verdict.
//!
//! Each worker is a thread with a runtime and listeners of its own. A connection is a task: it
//! answers all requests that arrived together and sends the answers with one write. Nothing is
//! decided by the body of a request, so none is kept in memory.

mod categorize;
pub mod config;
mod connection;
mod content;
mod date;
mod door;
mod listen;
mod metrics;
mod page;
mod run;
mod subject;
mod verdict;
mod wire;
mod worker;

pub use connection::{COPY_WINDOW, OUTPUT_LEN_MAX};
pub use content::{Content, OPTIONS_TTL_S};
pub use door::{TlsError, check_tls};
pub use metrics::PullOutcome;
pub use run::{RETIRE_WAIT_MAX, Running, StartError, start, start_with};
pub use wire::{LINGER_DEADLINE, LINGER_LEN_MAX};
pub use worker::REFUSALS_MAX;
