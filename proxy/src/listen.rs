//! Listening sockets: transparent, redirected, explicit.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpStream;

use crate::config::{Listen, Mode};

/// Connections that wait to be accepted, for each socket; the system may allow fewer.
const BACKLOG: i32 = 4096;

/// How often another port is tried where the system chose one that the other family lacks.
const PORT_TRIES_MAX: usize = 16;

/// One configured listener, bound.
#[derive(Debug)]
pub(crate) struct Bound {
    /// Where it really is.
    pub(crate) address: SocketAddr,
    /// For each worker its sockets, one for each family.
    pub(crate) sockets: Vec<Vec<TcpListener>>,
}

/// Binds one listener for every worker. The system spreads connections over the workers.
///
/// # Errors
///
/// Fails if the address is taken, or if the system refuses it.
pub(crate) fn bind(listen: &Listen, workers: usize) -> io::Result<Bound> {
    let mut tries = match listen.address.port() {
        0 => PORT_TRIES_MAX,
        _ => 1,
    };
    loop {
        tries -= 1;
        match bind_families(listen, workers) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
            bound => return bound,
        }
    }
}

fn bind_families(listen: &Listen, workers: usize) -> io::Result<Bound> {
    let mut port = listen.address.port();
    let mut sockets: Vec<Vec<TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
    for ip in families(listen.address.ip()) {
        if port != 0 {
            // The sockets of the workers share the port and would share it with a second
            // program of this user as well; one socket that shares nothing finds that out.
            match try_alone(listen.mode, SocketAddr::new(ip, port)) {
                Err(error) if is_spare_family(listen, ip, &error) => continue,
                alone => alone?,
            }
        }
        for worker in &mut sockets {
            let socket = match open_shared(listen.mode, SocketAddr::new(ip, port)) {
                Err(error) if is_spare_family(listen, ip, &error) => break,
                socket => socket?,
            };
            port = socket.local_addr()?.port();
            worker.push(socket);
        }
    }
    Ok(Bound {
        address: SocketAddr::new(listen.address.ip().to_canonical(), port),
        sockets,
    })
}

/// Returns the addresses to bind for a configured one: `[::]` means both families, each with a
/// socket of its own, so that an IPv4 client never looks like an IPv6 one.
fn families(ip: IpAddr) -> impl Iterator<Item = IpAddr> {
    let ip = ip.to_canonical();
    let both = ip.is_ipv6() && ip.is_unspecified();
    let also = both.then_some(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    std::iter::once(ip).chain(also)
}

/// Returns whether the machine has no IPv6 and the listener can do without.
fn is_spare_family(listen: &Listen, ip: IpAddr, error: &io::Error) -> bool {
    let missing = [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL].map(Errno::raw_os_error);
    listen.address.ip().is_unspecified()
        && ip.is_ipv6()
        && error
            .raw_os_error()
            .is_some_and(|code| missing.contains(&code))
}

/// Binds one socket of a worker and listens.
fn open_shared(mode: Mode, address: SocketAddr) -> io::Result<TcpListener> {
    let socket = prepare(mode, address)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Binds a socket that shares its port with no other, and lets go of it.
fn try_alone(mode: Mode, address: SocketAddr) -> io::Result<()> {
    prepare(mode, address)?.bind(&address.into())
}

fn prepare(mode: Mode, address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    match (mode, address) {
        (Mode::Tproxy, SocketAddr::V4(_)) => socket.set_ip_transparent_v4(true)?,
        (Mode::Tproxy, SocketAddr::V6(_)) => socket.set_ip_transparent_v6(true)?,
        (Mode::Redirect | Mode::Explicit, _) => {}
    }
    // A port whose last connections still linger can be taken again.
    socket.set_reuse_address(true)?;
    Ok(socket)
}

/// Returns the address that an intercepted connection was on its way to, and nothing if the
/// system does not know.
pub(crate) fn original_destination(mode: Mode, stream: &TcpStream) -> Option<SocketAddr> {
    let local = stream.local_addr().ok()?;
    let destination = match (mode, local) {
        (Mode::Tproxy | Mode::Explicit, _) => Some(local),
        (Mode::Redirect, SocketAddr::V4(_)) => {
            let original = SockRef::from(stream).original_dst_v4().ok()?;
            original.as_socket()
        }
        (Mode::Redirect, SocketAddr::V6(_)) => {
            let original = SockRef::from(stream).original_dst_v6().ok()?;
            original.as_socket()
        }
    };
    destination.map(canonical)
}

/// Returns an address in the one form that everything compares: IPv4-mapped as IPv4, and
/// without flow label and scope.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_has_a_socket_of_each_family_on_one_port() {
        let bound = bind(&explicit("[::]:0"), 3).unwrap();
        assert_ne!(bound.address.port(), 0);
        assert_eq!(bound.sockets.len(), 3);
        for sockets in &bound.sockets {
            for socket in sockets {
                let address = socket.local_addr().unwrap();
                assert_eq!(address.port(), bound.address.port());
                assert!(address.ip().is_unspecified());
            }
            assert!(sockets.iter().any(|s| s.local_addr().unwrap().is_ipv4()));
        }
    }

    #[test]
    fn a_second_program_is_refused_the_port() {
        let bound = bind(&explicit("127.0.0.1:0"), 2).unwrap();
        let again = bind(&explicit(&bound.address.to_string()), 2).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
        drop(bound.sockets);
        bind(&explicit(&bound.address.to_string()), 2).unwrap();
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        let bound = bind(&explicit("[::ffff:127.0.0.1]:0"), 1).unwrap();
        assert_eq!(bound.address.ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    }

    fn explicit(address: &str) -> Listen {
        Listen {
            mode: Mode::Explicit,
            address: address.parse().unwrap(),
            clients: Vec::new(),
            proxy_protocol_from: Vec::new(),
        }
    }
}
