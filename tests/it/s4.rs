//! The worked examples and promises of S4 (content filtering in the PGW), by section number,
//! through the real program.

use tests::gateway::Gateway;
use tests::icap_peer::Reply;

mod actions;
mod cache;
mod flows;
mod policy_server;
mod ports;
mod profiles;
mod uris;

/// An answer with these categories, separated by commas; none for an empty text.
fn categories(names: &str) -> Reply {
    if names.is_empty() {
        return Reply::Lines(Vec::new());
    }
    Reply::Lines(vec![format!("X-Attribute: {names}")])
}

/// An answer with these categories that holds for a prefix.
fn prefix(names: &str, len: usize) -> Reply {
    Reply::Lines(vec![
        format!("X-Attribute: {names}"),
        format!("X-Attribute-Prefix: {len}"),
    ])
}

/// Returns the sources of the first `count` decisions whose lines contain `part`.
#[track_caller]
fn sources(gateway: &Gateway, part: &str, count: usize) -> Vec<String> {
    crate::wait_for_decisions(gateway, &[part], count)
        .iter()
        .map(|line| line["source"].as_str().unwrap().to_owned())
        .collect()
}
