//! The proxy: accepts intercepted and explicit connections, judges each request and enforces the
//! decision. Bytes, URI, decision, enforcement: data flows in this direction only.

mod accept;
mod access_log;
mod announced;
mod clients;
mod close;
pub mod config;
mod connection;
mod dial;
mod explain;
#[cfg(test)]
mod fixture;
mod http;
mod icap;
mod judge;
mod limit;
mod listen;
mod metrics;
mod run;
mod sni_check;
mod splice;
mod state;
mod tls;
mod worker;

pub use icap::{IcapTlsError, check_icap_tls};
pub use run::{Running, StartError, start, start_with};
pub use state::Content;
