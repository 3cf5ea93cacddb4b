//! Names to addresses, after the decision to pass.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::DialError;
use crate::clients::client_of;
use crate::worker::Worker;

/// Look-ups that one worker has under way; further ones wait for their turn.
pub(crate) const RESOLUTIONS_MAX: usize = 128;

/// Look-ups that one client has under way on one worker. Names whose servers are silent take the
/// system many seconds; whoever asks for them waits alone.
pub(crate) const CLIENT_RESOLUTIONS_MAX: usize = 32;

/// Clients that are remembered although they may look nothing up.
const CLIENTS_REMEMBERED_MAX: usize = 256;

/// Addresses of one name that are tried.
pub(crate) const ADDRESSES_MAX: usize = 6;

/// Who may look a name up.
#[derive(Debug)]
pub(crate) struct Turns {
    all: Arc<Semaphore>,
    clients: RefCell<HashMap<IpAddr, Arc<Semaphore>>>,
}

/// The right to look one name up: the client's own and that of all.
pub(crate) type Turn = (OwnedSemaphorePermit, OwnedSemaphorePermit);

impl Default for Turns {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(RESOLUTIONS_MAX)),
            clients: RefCell::default(),
        }
    }
}

impl Turns {
    /// Waits for the right to look a name up.
    pub(crate) async fn next(&self, client: IpAddr) -> Result<Turn, AcquireError> {
        let own = self.of(client).acquire_owned().await?;
        let all = Arc::clone(&self.all).acquire_owned().await?;
        Ok((own, all))
    }

    fn of(&self, client: IpAddr) -> Arc<Semaphore> {
        let client = client_of(client);
        let mut clients = self.clients.borrow_mut();
        if clients.len() >= CLIENTS_REMEMBERED_MAX {
            // A turn that is taken or waited for holds the semaphore as well.
            clients.retain(|_, turns| Arc::strong_count(turns) > 1);
        }
        let turns = clients
            .entry(client)
            .or_insert_with(|| Arc::new(Semaphore::new(CLIENT_RESOLUTIONS_MAX)));
        Arc::clone(turns)
    }
}

impl Worker {
    /// Returns the addresses of a name, in the order in which to try them.
    pub(super) async fn resolve(
        &self,
        client: IpAddr,
        (name, port): (&str, u16),
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, DialError> {
        let fixed = Arc::clone(&self.shared.live.load().content.static_hosts);
        if let Some(address) = fixed.get(name) {
            return Ok(vec![*address]);
        }
        match timeout_at(deadline, self.look_up(client, name.to_owned(), port)).await {
            Ok(Ok(addresses)) if !addresses.is_empty() => Ok(families_in_turn(addresses)),
            Ok(Ok(_)) => Err(DialError::Unresolved(name.to_owned())),
            Ok(Err(error)) => {
                tracing::debug!(name, %error, "name not resolved");
                Err(DialError::Unresolved(name.to_owned()))
            }
            Err(_) => Err(DialError::TimedOut),
        }
    }

    /// Asks the system, which knows its hosts file and its resolvers.
    async fn look_up(
        &self,
        client: IpAddr,
        name: String,
        port: u16,
    ) -> io::Result<Vec<SocketAddr>> {
        let turn = self.resolutions.next(client).await;
        let turn = turn.map_err(io::Error::other)?;
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
    use std::time::Duration;

    use tokio::time::timeout;

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

    #[tokio::test]
    async fn a_client_with_silent_names_does_not_hold_up_another() {
        let turns = Turns::default();
        let (greedy, other) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let mut taken = Vec::new();
        for _ in 0..CLIENT_RESOLUTIONS_MAX {
            taken.push(turns.next(greedy).await.unwrap());
        }
        let soon = Duration::from_millis(20);
        assert!(timeout(soon, turns.next(greedy)).await.is_err());
        assert!(timeout(soon, turns.next(other)).await.is_ok());
        taken.pop();
        assert!(timeout(soon, turns.next(greedy)).await.is_ok());
    }

    #[test]
    fn a_network_of_64_bits_has_the_turns_of_one_client() {
        let turns = Turns::default();
        let of = |address: &str| turns.of(address.parse().unwrap());
        let one = of("2001:db8::1");
        assert!(Arc::ptr_eq(&one, &of("2001:db8::ffff:ffff:ffff:ffff")));
        assert!(!Arc::ptr_eq(&one, &of("2001:db8:0:1::1")));
        assert!(Arc::ptr_eq(&of("192.0.2.1"), &of("::ffff:192.0.2.1")));
    }

    #[test]
    fn clients_that_look_nothing_up_are_forgotten() {
        let turns = Turns::default();
        let kept = turns.of([10, 0, 0, 0].into());
        for number in 0..10_000_u32 {
            turns.of(IpAddr::V4(number.into()));
        }
        assert!(turns.clients.borrow().len() <= CLIENTS_REMEMBERED_MAX);
        let again = turns.of([10, 0, 0, 0].into());
        assert!(Arc::ptr_eq(&kept, &again), "it is in use");
    }

    #[track_caller]
    fn check(addresses: &[&str], expected: &[&str]) {
        let parse = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
        let ordered: Vec<SocketAddr> = parse(expected);
        assert_eq!(families_in_turn(parse(addresses)), ordered);
    }
}
