//! Connections to origins, and where the proxy will not go.

mod forbidden;
mod resolve;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::IpBindAddressNoPort;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout_at};

use crate::config::{Mode, UpstreamSource};
use crate::connection::{Arrival, Connection, Tunnel};
use crate::limit::Limit;
use crate::worker::Worker;

pub(crate) use forbidden::is_ours;
use forbidden::{goes_nowhere, is_endpoint};
#[cfg(test)]
pub(crate) use resolve::CLIENT_RESOLUTIONS_MAX;
pub(crate) use resolve::{RESOLUTIONS_MAX, Turns};

/// How long one address of several is tried before the next.
pub(crate) const ATTEMPT_MAX: Duration = Duration::from_secs(3);

/// How long a connection is silent before the system asks whether its peer is still there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(300);

/// An origin to connect to.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Origin {
    /// The original destination, or an address written as the authority.
    Address(SocketAddr),
    /// A name to resolve, and a port.
    Name(String, u16),
}

/// Why no origin connection was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// A place where the proxy will not go for this client.
    #[error("`{0}` is a place where the proxy does not go")]
    Forbidden(Origin),
    /// The name has no address.
    #[error("`{0}` has no address")]
    Unresolved(String),
    /// No connection in time.
    #[error("no connection in time")]
    TimedOut,
    /// The system refused.
    #[error("cannot connect")]
    Io(#[source] io::Error),
}

impl Worker {
    /// Connects to an origin, after looking at the address that is really dialled.
    pub(crate) async fn dial(
        &self,
        connection: &Connection,
        origin: &Origin,
    ) -> Result<TcpStream, DialError> {
        let wait = self.shared.live.load().config.limits.connect;
        let deadline = Instant::now() + wait;
        let dialled = self.dial_until(connection, origin, deadline).await;
        if let Err(error) = &dialled {
            if let DialError::TimedOut = error {
                self.shared.metrics.reached(Limit::Connect);
            }
            self.shared.metrics.origin_failed(error);
            tracing::debug!(client = %connection.client, ?origin, %error, "origin not reached");
        }
        dialled
    }

    async fn dial_until(
        &self,
        connection: &Connection,
        origin: &Origin,
        deadline: Instant,
    ) -> Result<TcpStream, DialError> {
        let addresses = match origin {
            Origin::Address(address) => vec![*address],
            Origin::Name(name, port) => {
                if is_endpoint(&self.shared, name, *port) {
                    return Err(DialError::Forbidden(origin.clone()));
                }
                let client = connection.client.ip();
                self.resolve(client, (name, *port), deadline).await?
            }
        };
        let source = self.source(connection);
        let mut failed = None;
        let mut left = addresses.len();
        for address in addresses {
            left -= 1;
            if goes_nowhere(&self.shared, connection.client.ip(), address) {
                failed.get_or_insert(DialError::Forbidden(Origin::Address(address)));
                continue;
            }
            let until = match left {
                0 => deadline,
                _ => deadline.min(Instant::now() + ATTEMPT_MAX),
            };
            match timeout_at(until, connect(address, source)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failed = Some(DialError::Io(error)),
                Err(_) => failed = Some(DialError::TimedOut),
            }
        }
        Err(failed.unwrap_or_else(|| DialError::Unresolved(origin.to_string())))
    }

    /// Fails, before anything is dialled, if an origin is an address where the proxy will not go.
    /// Of a name that is not known before it is looked up.
    pub(crate) fn refuse_forbidden(
        &self,
        connection: &Connection,
        origin: &Origin,
    ) -> Result<(), DialError> {
        match origin {
            Origin::Address(address)
                if goes_nowhere(&self.shared, connection.client.ip(), *address) =>
            {
                let error = DialError::Forbidden(origin.clone());
                self.shared.metrics.origin_failed(&error);
                Err(error)
            }
            Origin::Address(_) | Origin::Name(..) => Ok(()),
        }
    }

    /// Returns the address that the origin should see, unless it is the gateway's own.
    fn source(&self, connection: &Connection) -> Option<IpAddr> {
        let wanted = self.shared.live.load().config.upstream_source;
        match (wanted, connection.mode) {
            (UpstreamSource::Client, Mode::Tproxy) => Some(connection.client.ip()),
            (UpstreamSource::Client, Mode::Redirect | Mode::Explicit)
            | (UpstreamSource::Local, _) => None,
        }
    }
}

impl Origin {
    /// Returns where the bytes of a TLS or raw connection go: to the original destination, or
    /// in a tunnel to its authority. Nothing in explicit mode without a tunnel.
    pub(crate) fn of(connection: &Connection) -> Option<Self> {
        match (connection.arrival, &connection.tunnel) {
            (Arrival::Intercepted(destination), _) => Some(Self::Address(destination)),
            (Arrival::Explicit, Some(Tunnel { authority })) => Some(Self::named_by(authority)),
            (Arrival::Explicit, None) => None,
        }
    }

    /// Returns the origin that the authority of a URI names.
    pub(crate) fn named_by(uri: &uri::NormalUri) -> Self {
        match crate::connection::written_address(uri) {
            Some(address) => Self::Address(SocketAddr::new(address, uri.port())),
            None => Self::Name(uri.host().to_owned(), uri.port()),
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

impl DialError {
    /// Returns the word for logs and metrics.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Forbidden(_) => "forbidden",
            Self::Unresolved(_) => "unresolved",
            Self::TimedOut => "timed_out",
            Self::Io(_) => "io",
        }
    }
}

async fn connect(address: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    if let Some(source) = source {
        bind_as(&socket, source)?;
    }
    let stream = TcpSocket::from_std_stream(socket.into())
        .connect(address)
        .await?;
    tune(&stream);
    Ok(stream)
}

/// Makes the socket's packets leave with the client's address; the port is chosen when the
/// origin is known, so that one port can serve many origins.
fn bind_as(socket: &Socket, source: IpAddr) -> io::Result<()> {
    match source {
        IpAddr::V4(_) => socket.set_ip_transparent_v4(true)?,
        IpAddr::V6(_) => socket.set_ip_transparent_v6(true)?,
    }
    setsockopt(socket, IpBindAddressNoPort, &true)?;
    socket.bind(&SocketAddr::new(source, 0).into())
}

/// Sets what every connection has: no delay for small writes, and a look at silent peers.
pub(crate) fn tune(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER);
    let socket = SockRef::from(stream);
    // A connection that is already gone refuses both; the next read tells.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&keepalive);
}

#[cfg(test)]
mod tests;
