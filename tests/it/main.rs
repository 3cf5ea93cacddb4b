//! Tests that need more than one package, as one binary.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

use tests::gateway::Gateway;

mod architecture;
mod bad_input;
mod c_icap;
mod c_icap_client;
mod categorizer;
mod client_hello;
mod comparison;
mod conformance;
mod deploy;
mod docs;
mod evasions;
mod explain;
mod explicit;
mod fuzz;
mod gx;
mod icap_server;
mod icap_settings;
mod limits;
mod load_balancer;
mod one_path;
mod operation;
mod overload;
mod peers;
mod places;
mod policy_as_code;
mod protocols;
mod pulls;
mod radius;
mod reloads;
mod s4;
mod schemas;
mod session_api;
mod settings;
mod shared_sessions;
mod sni_check;
mod squid;
mod times;
mod transparent;
mod tunnel;
mod tutorial;
mod two_gateways;
mod up;
mod url_agreement;

/// Waits for `count` access log lines that contain all of `parts`, and returns them.
#[track_caller]
fn wait_for_decisions(gateway: &Gateway, parts: &[&str], count: usize) -> Vec<serde_json::Value> {
    tests::wait_for("access log lines", || {
        Some(gateway.program.decisions(parts)).filter(|lines| lines.len() >= count)
    })
}
