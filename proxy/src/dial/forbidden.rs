//! Where the proxy will not go, looked at on the address that is really dialled.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;

use crate::icap::IcapClient;
use crate::state::Shared;

/// The prefix under which IPv6 carries IPv4 through a translator (RFC 6052).
const NAT64: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

/// Returns whether the proxy does not go to `address` for this client: its own listeners, admin
/// and ICAP endpoints never; loopback, link-local and unspecified addresses only for clients
/// that are on loopback themselves.
pub(crate) fn goes_nowhere(shared: &Shared, client: IpAddr, address: SocketAddr) -> bool {
    is_near(client, address) || is_ours(shared, address)
}

/// Returns whether an address is that of a listener, admin or ICAP endpoint of ours.
pub(crate) fn is_ours(shared: &Shared, address: SocketAddr) -> bool {
    let endpoints = shared.icap.as_ref().map(IcapClient::addresses);
    is_one_of(&shared.forbidden.load(), address)
        || endpoints.is_some_and(|endpoints| is_one_of(&endpoints, address))
}

/// Returns whether an address is on this machine or link, and the client is not on this machine.
fn is_near(client: IpAddr, address: SocketAddr) -> bool {
    let ip = plain(address.ip());
    let near = ip.is_loopback() || ip.is_unspecified() || is_link_local(ip);
    near && !plain(client).is_loopback()
}

fn is_one_of(ours: &[SocketAddr], address: SocketAddr) -> bool {
    ours.iter()
        .filter(|own| own.port() == address.port())
        .any(|own| is_same(plain(own.ip()), plain(address.ip())))
}

/// Returns whether a connection to `dialled` arrives at a socket that is bound to `own`.
fn is_same(own: IpAddr, dialled: IpAddr) -> bool {
    // The system takes a connection to no address as one to loopback.
    own == dialled || dialled.is_unspecified() || (own.is_unspecified() && is_local(dialled))
}

/// Returns whether an address is this machine's.
fn is_local(ip: IpAddr) -> bool {
    // Binding is the one question that the system answers by its own routes, for every address
    // of every interface. Where `ip_nonlocal_bind` is set, as on gateways that take over for
    // each other, its answer is always yes.
    ip.is_loopback() || (can_bind(ip) && (!can_bind(foreign(ip)) || is_of_an_interface(ip)))
}

fn can_bind(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

/// Returns an address of the same family that no machine should have (RFC 5737, RFC 6666).
fn foreign(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 255).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 1).into(),
    }
}

fn is_of_an_interface(ip: IpAddr) -> bool {
    // A system that cannot tell is taken to have it: where in doubt, the proxy does not go.
    getifaddrs().map_or(true, |mut interfaces| {
        interfaces.any(|interface| interface.address.as_ref().and_then(ip_of) == Some(ip))
    })
}

fn ip_of(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}

/// Returns the IPv4 address that an IPv6 address stands for, or the address itself.
fn plain(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => embedded(v6).map_or(ip, IpAddr::V4),
        canonical @ IpAddr::V4(_) => canonical,
    }
}

fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let prefix = v6.segments();
    let is_nat64 = prefix
        .iter()
        .zip(NAT64)
        .all(|(segment, wanted)| *segment == wanted);
    let [.., a, b, c, d] = v6.octets();
    is_nat64.then(|| Ipv4Addr::new(a, b, c, d))
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: &str = "192.0.2.7";
    const NEAR: &str = "127.0.0.1";

    #[test]
    fn loopback_is_only_for_clients_on_loopback() {
        for address in [
            "127.0.0.1:80",
            "127.9.9.9:80",
            "[::1]:80",
            "0.0.0.0:80",
            "[::]:80",
            "169.254.169.254:80",
            "[fe80::1]:80",
            "[::ffff:127.0.0.1]:80",
            "[::ffff:169.254.1.1]:80",
            "[64:ff9b::7f00:1]:80",
            "[64:ff9b::a9fe:a9fe]:80",
        ] {
            check(FAR, address, true);
            check("2001:db8::1", address, true);
            check(NEAR, address, false);
            check("::1", address, false);
            check("::ffff:127.0.0.1", address, false);
        }
    }

    #[test]
    fn other_addresses_are_for_everyone() {
        for address in [
            "198.51.100.1:80",
            "10.0.0.1:443",
            "[2001:db8::2]:80",
            "[64:ff9b::1]:80",
        ] {
            check(NEAR, address, false);
        }
        check(FAR, "198.51.100.1:80", false);
        check(FAR, "198.51.100.1:3128", false);
    }

    #[test]
    fn our_own_sockets_are_for_nobody() {
        for address in [
            // The explicit listener, however its address is written.
            "127.0.0.1:3128",
            "[::ffff:127.0.0.1]:3128",
            "[64:ff9b::7f00:1]:3128",
            "0.0.0.0:3128",
            "[::]:3128",
            // The listeners on every address.
            "127.0.0.1:3129",
            "127.1.2.3:3129",
            "[::1]:3129",
            "[::ffff:127.0.0.1]:3129",
            // An endpoint elsewhere.
            "203.0.113.5:1344",
        ] {
            check(NEAR, address, true);
            check(FAR, address, true);
        }
        check(NEAR, "203.0.113.5:3129", false);
        check(NEAR, "127.0.0.1:3127", false);
    }

    #[test]
    fn interfaces_are_asked_where_any_address_can_be_bound() {
        for (ip, expected) in [(NEAR, true), ("127.0.0.2", false), ("203.0.113.5", false)] {
            assert_eq!(is_of_an_interface(ip.parse().unwrap()), expected, "{ip}");
        }
        for foreign in [
            foreign(NEAR.parse().unwrap()),
            foreign("::1".parse().unwrap()),
        ] {
            assert!(!is_of_an_interface(foreign), "{foreign}");
        }
    }

    #[track_caller]
    fn check(client: &str, address: &str, expected: bool) {
        let ours: Vec<SocketAddr> = ["127.0.0.1:3128", "[::]:3129", "203.0.113.5:1344"]
            .iter()
            .map(|own| own.parse().unwrap())
            .collect();
        let address: SocketAddr = address.parse().unwrap();
        let found = is_near(client.parse().unwrap(), address) || is_one_of(&ours, address);
        assert_eq!(found, expected, "{client} to {address}");
    }
}
