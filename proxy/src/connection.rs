//! One accepted connection: what it is, and which flow it takes.

use std::net::SocketAddr;

use tokio::net::TcpStream;
use uri::NormalUri;

/// The facts of one accepted connection.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// The device side.
    pub(crate) client: SocketAddr,
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
