//! One accepted connection: what it is, and which flow it takes.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use tokio::net::TcpStream;
use uri::{NormalUri, Readings};

use crate::config::{Mode, Ports};
use crate::worker::Worker;
use crate::{close, http, tls};

/// The facts of one accepted connection.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// The device side. IPv4-mapped addresses are IPv4.
    pub(crate) client: SocketAddr,
    /// The kind of listener that took it.
    pub(crate) mode: Mode,
    /// How the connection came.
    pub(crate) arrival: Arrival,
    /// Inside a CONNECT tunnel: its judged authority.
    pub(crate) tunnel: Option<Tunnel>,
}

/// How a connection came.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arrival {
    /// By TPROXY or REDIRECT, on its way to this address.
    Intercepted(SocketAddr),
    /// By the client's own configuration, at this listener.
    Explicit,
}

/// A CONNECT tunnel whose authority was judged and passed.
#[derive(Clone, Debug)]
pub(crate) struct Tunnel {
    /// As judged.
    pub(crate) authority: NormalUri,
}

/// The device side's bytes: those read ahead while looking at them, then the socket.
#[derive(Debug)]
pub(crate) struct ClientStream {
    /// Read from the socket and not consumed.
    pub(crate) read_ahead: bytes::BytesMut,
    /// The socket.
    pub(crate) socket: TcpStream,
}

/// What the bytes of a port are taken for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Flow {
    /// HTTP requests.
    Http,
    /// A Client Hello.
    Tls,
    /// Anything; it is not looked at.
    Unfiltered,
}

impl Ports {
    /// Returns what the bytes of a port are taken for.
    pub(crate) fn flow(&self, port: u16) -> Flow {
        if self.http.contains(&port) {
            Flow::Http
        } else if self.tls.contains(&port) {
            Flow::Tls
        } else {
            Flow::Unfiltered
        }
    }
}

impl Connection {
    /// Returns the address that the client dialled, unless it dialled us.
    pub(crate) fn original_destination(&self) -> Option<SocketAddr> {
        match self.arrival {
            Arrival::Intercepted(destination) => Some(destination),
            Arrival::Explicit => None,
        }
    }

    /// Returns the address to compare with the bypass addresses: the original destination; in
    /// explicit mode an address written as the authority, of the tunnel if there is one.
    pub(crate) fn bypass_address(&self, requested: Option<&Readings>) -> Option<IpAddr> {
        match (self.arrival, &self.tunnel) {
            (Arrival::Intercepted(destination), _) => Some(destination.ip()),
            (Arrival::Explicit, Some(tunnel)) => written_address(&tunnel.authority),
            (Arrival::Explicit, None) => written_address(requested?.normal()),
        }
    }
}

/// Serves what comes through a CONNECT tunnel whose authority, in `connection`, was judged and
/// passed. The client was told that the tunnel stands; no origin is connected yet.
pub(crate) async fn inside_tunnel(
    worker: Rc<Worker>,
    connection: Connection,
    client: ClientStream,
    port: u16,
) {
    let flow = worker.shared.live.load().config.ports.flow(port);
    match flow {
        Flow::Tls => tls::serve(worker, connection, client).await,
        Flow::Http => http::serve(worker, connection, client).await,
        // The tunnel was refused unless a reload took the port away since.
        Flow::Unfiltered => close::quietly(client.socket).await,
    }
}

/// Returns the address that a URI has for its host, if it is one.
pub(crate) fn written_address(uri: &NormalUri) -> Option<IpAddr> {
    let host = uri.host();
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    bare.parse().ok()
}
