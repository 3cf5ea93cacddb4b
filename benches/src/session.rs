//! Sessions in 10 000 ranges: for IPv4 5 000 of 256 addresses and one address in each of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use sessions::{Directory, Selection, Session};

use crate::Subject;
use crate::turns::Turns;

/// Ranges of one kind.
const HALF: u32 = 5_000;

/// Clients that are looked up in turn.
const LOOKED_UP: u32 = 1_000;

pub(crate) fn subjects() -> Vec<Subject> {
    let ipv4 = (0..HALF).flat_map(|n| [(client(n, 0), 24), (client(n, 7), 32)]);
    let ipv4 = Arc::new(directory(ipv4));
    let ipv6 = Arc::new(directory((0..2 * HALF).map(|n| (client_ipv6(n), 64))));
    vec![
        look_up("session/IPv4 address", &ipv4, |n| client(n, 7)),
        look_up("session/IPv4 range", &ipv4, |n| client(n, 200)),
        look_up("session/IPv4 miss", &ipv4, |n| client(n + HALF, 7)),
        look_up("session/IPv6 range", &ipv6, client_ipv6),
    ]
}

/// IPv4 clients, each with a session.
pub(crate) fn clients() -> (Directory, Turns<IpAddr>) {
    let ranges = (0..2 * HALF).map(|n| (client(n, 7), 32));
    (directory(ranges), turns(|n| client(n, 7)))
}

fn look_up(
    name: &'static str,
    directory: &Arc<Directory>,
    client: impl Fn(u32) -> IpAddr,
) -> Subject {
    let directory = Arc::clone(directory);
    let mut clients = turns(client);
    for client in clients.iter() {
        let found = directory.configured(*client).is_some();
        assert_eq!(found, !name.ends_with("miss"), "{client}");
    }
    Subject::new(name, move || {
        directory.configured(*clients.take()).is_some()
    })
}

fn directory(ranges: impl Iterator<Item = (IpAddr, u8)>) -> Directory {
    let session = Arc::new(Session {
        profile: Some("asking".into()),
        ..Session::default()
    });
    let range = |(address, len)| (IpNet::new(address, len).unwrap(), Arc::clone(&session));
    Directory::new(ranges.map(range), Selection::default())
}

/// Spreads the clients over all ranges.
fn turns(client: impl Fn(u32) -> IpAddr) -> Turns<IpAddr> {
    let step = HALF / LOOKED_UP;
    // A factor that is prime to the number of clients shuffles them.
    Turns::of((0..LOOKED_UP).map(|n| client(n * 7919 % LOOKED_UP * step)))
}

fn client(range: u32, host: u32) -> IpAddr {
    let bits = u32::from(Ipv4Addr::new(10, 0, 0, 0)) | range << 8 | host;
    Ipv4Addr::from_bits(bits).into()
}

fn client_ipv6(range: u32) -> IpAddr {
    let network = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7);
    Ipv6Addr::from_bits(network.to_bits() | u128::from(range) << 64).into()
}
