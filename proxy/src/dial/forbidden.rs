//! Where the proxy will not go, looked at on the address that is really dialled.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;

use crate::icap::IcapClient;
use crate::state::Shared;

/// Returns whether the proxy does not go to `address` for this client: its own listeners, admin
/// and ICAP endpoints, what the configuration forbids, and addresses of many hosts never;
/// loopback, link-local and unspecified addresses only for clients that are on loopback
/// themselves.
pub(crate) fn goes_nowhere(shared: &Shared, client: IpAddr, address: SocketAddr) -> bool {
    let ranges = &shared.live.load().config.forbidden;
    let is_refused = |ip: &IpAddr| {
        is_of_many(*ip)
            || ranges.iter().any(|range| range.contains(ip))
            || (is_near(*ip) && !client.to_canonical().is_loopback())
    };
    meanings(address.ip()).iter().any(is_refused) || is_ours(shared, address)
}

/// Returns whether an address is that of a listener, admin or ICAP endpoint of ours, or of the
/// ICAP server beside us.
pub(crate) fn is_ours(shared: &Shared, address: SocketAddr) -> bool {
    let endpoints = shared.icap.as_ref().map(IcapClient::addresses);
    let beside = &shared.live.load().content.beside;
    is_one_of(&shared.forbidden.load(), address)
        || is_one_of(beside, address)
        || endpoints.is_some_and(|endpoints| is_one_of(&endpoints, address))
}

/// Returns whether a name is that of an ICAP endpoint of ours. Its addresses may be others by now
/// than those that the ICAP client knows.
pub(crate) fn is_endpoint(shared: &Shared, name: &str, port: u16) -> bool {
    let icap = shared.icap.as_ref();
    icap.is_some_and(|icap| icap.is_at(name, port))
}

/// Returns whether an address is on this machine or link.
fn is_near(ip: IpAddr) -> bool {
    match ip {
        // The system takes 0.0.0.0 for itself; the rest of 0.0.0.0/8 is for nobody (RFC 6890).
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4.octets()[0] == 0,
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unicast_link_local(),
    }
}

/// Returns whether an address is that of a group, or of everyone.
fn is_of_many(ip: IpAddr) -> bool {
    ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
}

fn is_one_of(ours: &[SocketAddr], address: SocketAddr) -> bool {
    ours.iter()
        .filter(|own| own.port() == address.port())
        .any(|own| {
            let dialled = meanings(address.ip());
            dialled
                .iter()
                .any(|ip| is_same(own.ip().to_canonical(), *ip))
        })
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

/// Returns an address, as IPv4 if it is mapped, and the IPv4 addresses to which a translator or
/// the end of a tunnel would send what is sent to it.
fn meanings(ip: IpAddr) -> Vec<IpAddr> {
    let mut meanings = vec![ip.to_canonical()];
    if let IpAddr::V6(v6) = ip.to_canonical() {
        meanings.extend(embedded(v6).into_iter().flatten().map(IpAddr::V4));
    }
    meanings
}

/// Returns the IPv4 addresses that an IPv6 address has inside, by the kinds that are known.
fn embedded(v6: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let [.., a, b, c, d] = v6.octets();
    let last = Ipv4Addr::new(a, b, c, d);
    let by_prefix = match v6.segments() {
        // IPv4-compatible (RFC 4291 section 2.5.5.1); `::` and `::1` are addresses of their own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0, ..] => Some(last),
        // IPv4-translated (RFC 7915 appendix A).
        [0, 0, 0, 0, 0xffff, 0, ..] => Some(last),
        // NAT64 (RFC 6052 section 2.1).
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(last),
        // NAT64 of a network's own (RFC 8215), as far as the IPv4 address is at the end.
        [0x64, 0xff9b, 1, ..] if a != 0 => Some(last),
        // 6to4 (RFC 3056 section 2).
        [0x2002, high, low, ..] => Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))),
        // Teredo (RFC 4380 section 4), with the bits of the address turned over.
        [0x2001, 0, ..] => Some(Ipv4Addr::from(!u32::from(last))),
        _ => None,
    };
    // ISATAP (RFC 5214 section 6.1), behind any prefix.
    let by_interface = match v6.segments() {
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => Some(last),
        _ => None,
    };
    [by_prefix, by_interface]
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
            "0.1.2.3:80",
            "127.255.255.255:80",
            "[febf::1]:80",
            "[::ffff:0.0.0.0]:80",
            "[::127.0.0.1]:80",
            "[::ffff:0:7f00:1]:80",
            "[64:ff9b:1::7f00:1]:80",
            "[64:ff9b:1:fffe::a9fe:a9fe]:80",
            "[2002:7f00:1::]:80",
            "[2002:a9fe:a9fe::1]:80",
            "[2001:0:4136:e378:8000:63bf:80ff:fffe]:80",
            "[2001:db8::5efe:7f00:1]:80",
            "[2001:db8::200:5efe:169.254.169.254]:80",
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
            "[64:ff9b::c633:6401]:80",
            "[64:ff9b:1::c633:6401]:80",
            "[64:ff9b:1:c633:64:100::]:80",
            "[2002:c633:6401::1]:80",
            "[2001:0:4136:e378:8000:63bf:3fff:fdd2]:80",
            "[2001:db8::5efe:c633:6401]:80",
            "[2001:db8::7f00:1]:80",
            "[fd00::1]:80",
            "[fec0::1]:80",
            "128.0.0.1:80",
            "169.253.1.1:80",
            "1.0.0.0:80",
        ] {
            check(NEAR, address, false);
            check(FAR, address, false);
        }
        check(FAR, "198.51.100.1:80", false);
        check(FAR, "198.51.100.1:3128", false);
    }

    #[test]
    fn addresses_of_many_are_for_nobody() {
        for address in [
            "224.0.0.1:80",
            "239.255.255.250:80",
            "255.255.255.255:80",
            "[ff02::1]:80",
            "[::ffff:224.0.0.1]:80",
            "[64:ff9b::e000:1]:80",
        ] {
            check(NEAR, address, true);
            check(FAR, address, true);
        }
    }

    #[test]
    fn our_own_sockets_are_for_nobody() {
        for address in [
            // The explicit listener, however its address is written.
            "127.0.0.1:3128",
            "[::ffff:127.0.0.1]:3128",
            "[64:ff9b::7f00:1]:3128",
            "[2002:7f00:1::]:3128",
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
        let client: IpAddr = client.parse().unwrap();
        let meanings = meanings(address.ip());
        let found = meanings.iter().any(|ip| is_of_many(*ip))
            || (meanings.iter().any(|ip| is_near(*ip)) && !client.to_canonical().is_loopback())
            || is_one_of(&ours, address);
        assert_eq!(found, expected, "{client} to {address}");
    }
}
