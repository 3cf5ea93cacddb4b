//! Names to addresses, after the decision to pass.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::{DIAL_DEADLINE, DialError};
use crate::worker::Worker;

/// Look-ups that one worker has under way; further ones wait for their turn.
pub(crate) const RESOLUTIONS_MAX: usize = 32;

/// Addresses of one name that are tried.
pub(crate) const ADDRESSES_MAX: usize = 6;

impl Worker {
    /// Returns the addresses of a name, in the order in which to try them.
    pub(super) async fn resolve(
        &self,
        name: &str,
        port: u16,
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, DialError> {
        let fixed = Arc::clone(&self.shared.live.load().content.static_hosts);
        if let Some(address) = fixed.get(name) {
            return Ok(vec![*address]);
        }
        match timeout_at(deadline, self.look_up(name.to_owned(), port)).await {
            Ok(Ok(addresses)) if !addresses.is_empty() => Ok(families_in_turn(addresses)),
            Ok(Ok(_)) => Err(DialError::Unresolved(name.to_owned())),
            Ok(Err(error)) => {
                tracing::debug!(name, %error, "name not resolved");
                Err(DialError::Unresolved(name.to_owned()))
            }
            Err(_) => Err(DialError::TimedOut(DIAL_DEADLINE)),
        }
    }

    /// Asks the system, which knows its hosts file and its resolvers.
    async fn look_up(&self, name: String, port: u16) -> io::Result<Vec<SocketAddr>> {
        let turns = Arc::clone(&self.resolutions);
        let turn = turns.acquire_owned().await.map_err(io::Error::other)?;
        let asked = spawn_blocking(move || {
            // The turn ends with the look-up, not with the patience of who asked for it.
            let _turn = turn;
            Ok((name.as_str(), port).to_socket_addrs()?.collect())
        });
        asked.await.map_err(io::Error::other)?
    }
}

/// Lets the families alternate in the system's order (RFC 8305 section 4), so that one broken
/// family does not use up the attempts.
fn families_in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let mut second = second.into_iter();
    let mut ordered = Vec::with_capacity(ADDRESSES_MAX);
    for address in first {
        ordered.push(address);
        ordered.extend(second.next());
    }
    ordered.extend(second);
    ordered.dedup();
    ordered.truncate(ADDRESSES_MAX);
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate_and_are_bounded() {
        check(&[], &[]);
        check(
            &["[::2]:1", "[::3]:1", "1.1.1.1:1"],
            &["[::2]:1", "1.1.1.1:1", "[::3]:1"],
        );
        check(&["1.1.1.1:1", "1.1.1.1:1"], &["1.1.1.1:1"]);
        check(
            &["1.1.1.1:1", "[::2]:1", "[::3]:1"],
            &["1.1.1.1:1", "[::2]:1", "[::3]:1"],
        );
        let many: Vec<String> = (1..=ADDRESSES_MAX + 1)
            .map(|n| format!("10.0.0.{n}:1"))
            .collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        check(&many, &many[..ADDRESSES_MAX]);
    }

    #[track_caller]
    fn check(addresses: &[&str], expected: &[&str]) {
        let parse = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
        let ordered: Vec<SocketAddr> = parse(expected);
        assert_eq!(families_in_turn(parse(addresses)), ordered);
    }
}
