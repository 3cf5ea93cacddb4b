//! Support for the integration tests: the real programs, origins, ICAP peers, clients, namespaces.
//!
//! Peers are plain threads and blocking sockets, so that what a test sends and sees is exactly
//! what is on the wire. Every wait has a limit, [`WAIT_MAX`].

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::string_slice,
    clippy::unwrap_in_result,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

use std::time::Duration;

pub mod client;
pub mod gateway;
pub mod icap_peer;
pub mod lab;
pub mod origin;
pub mod program;
pub mod tls;

/// Longest wait for anything in a test.
pub const WAIT_MAX: Duration = Duration::from_secs(20);

/// Polls `probe` until it gives something.
///
/// # Panics
///
/// Fails the test after [`WAIT_MAX`].
#[track_caller]
pub fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = std::time::Instant::now();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(start.elapsed() < WAIT_MAX, "waited {WAIT_MAX:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
