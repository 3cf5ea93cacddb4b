//! How many connections each client has open, at all workers together.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Parts of the map, each with a lock of its own that is held for one look into it. It is taken
/// when a connection begins and when it ends, never for a request.
const SHARDS: usize = 64;

/// Bits of an IPv6 address that stand for one client: within them a client has its own choice.
const CLIENT_BITS_V6: u32 = 64;

/// Counts the connections of each client. There is an entry for each client with an open
/// connection, so never more than connections.
#[derive(Debug)]
pub(crate) struct Clients {
    shards: [Mutex<HashMap<IpAddr, usize>>; SHARDS],
    hash: RandomState,
}

/// The place of one connection; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place {
    clients: Arc<Clients>,
    client: IpAddr,
}

impl Default for Clients {
    fn default() -> Self {
        Self {
            shards: [(); SHARDS].map(|()| Mutex::default()),
            hash: RandomState::new(),
        }
    }
}

impl Clients {
    /// Takes a place for one more connection, unless the client has as many as it may.
    pub(crate) fn take_place(
        self: &Arc<Self>,
        address: IpAddr,
        connections_max: Option<NonZeroUsize>,
    ) -> Option<Place> {
        let client = client_of(address);
        let mut shard = self.shard(client);
        let open = shard.entry(client).or_default();
        // Without a limit they are counted too: a reload may set one.
        if connections_max.is_some_and(|max| *open >= max.get()) {
            return None;
        }
        *open += 1;
        Some(Place {
            clients: Arc::clone(self),
            client,
        })
    }

    fn shard(&self, client: IpAddr) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        let shards = self.shards.len() as u64;
        let index = usize::try_from(self.hash.hash_one(client) % shards).unwrap_or_default();
        let shard = self.shards.get(index);
        let shard = shard.expect("a remainder is less than what was divided by");
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut shard = self.clients.shard(self.client);
        let Some(open) = shard.get_mut(&self.client) else {
            debug_assert!(false, "every place was counted");
            return;
        };
        *open = open.saturating_sub(1);
        if *open == 0 {
            shard.remove(&self.client);
        }
    }
}

/// Returns what stands for a client: its IPv4 address, or the network of its IPv6 address.
pub(crate) fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = address.to_bits() >> CLIENT_BITS_V6 << CLIENT_BITS_V6;
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_as_many_places_as_it_may_and_gets_them_back() {
        let clients = Arc::new(Clients::default());
        let take = |address: &str| clients.take_place(address.parse().unwrap(), limit(2));
        let (first, second) = (take("192.0.2.1"), take("::ffff:192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(take("192.0.2.1").is_none());
        let other = take("192.0.2.2");
        assert!(other.is_some(), "another client has its own");
        drop(first);
        let again = take("192.0.2.1");
        assert!(again.is_some());
        assert!(take("192.0.2.1").is_none());
        drop((second, other, again));
        assert_eq!(remembered(&clients), 0);
    }

    #[test]
    fn a_network_of_64_bits_is_one_client() {
        let clients = Arc::new(Clients::default());
        let take = |address: &str| clients.take_place(address.parse().unwrap(), limit(1));
        let first = take("2001:db8::1");
        assert!(first.is_some());
        assert!(take("2001:db8::ffff:ffff:ffff:ffff").is_none());
        assert!(take("2001:db8:0:1::1").is_some());
    }

    #[test]
    fn without_a_limit_connections_are_counted_for_when_there_is_one() {
        let clients = Arc::new(Clients::default());
        let address = "192.0.2.1".parse().unwrap();
        let places: Vec<_> = (0..3)
            .map(|_| clients.take_place(address, None).unwrap())
            .collect();
        assert!(clients.take_place(address, limit(3)).is_none());
        assert!(clients.take_place(address, limit(4)).is_some());
        drop(places);
        assert_eq!(remembered(&clients), 0);
    }

    fn limit(max: usize) -> Option<NonZeroUsize> {
        NonZeroUsize::new(max)
    }

    fn remembered(clients: &Clients) -> usize {
        let shards = clients.shards.iter();
        shards.map(|shard| shard.lock().unwrap().len()).sum()
    }
}
