//! Connections to one endpoint: TCP, TLS or a Unix socket.

use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::pool::locked;
use super::tls::Tls;
use crate::config;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Addresses of one name that the proxy will not go to, those of earlier look-ups included.
const KNOWN_MAX: usize = 64;

/// How long a name may take to resolve.
const RESOLVE_WAIT_MAX: Duration = Duration::from_secs(2);

/// What an exchange runs over.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {
    /// Returns the socket below.
    fn socket(&self) -> BorrowedFd<'_>;
}

impl Transport for TcpStream {
    fn socket(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

impl Transport for UnixStream {
    fn socket(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

impl Transport for TlsStream<TcpStream> {
    fn socket(&self) -> BorrowedFd<'_> {
        self.get_ref().0.as_fd()
    }
}

/// Opens connections to one endpoint.
#[derive(Debug)]
pub(super) struct Connector {
    way: Way,
    addresses: Mutex<Addresses>,
}

#[derive(Debug)]
enum Way {
    Tcp(Host),
    Tls(Host, Option<Tls>),
    Unix(PathBuf),
}

#[derive(Debug)]
struct Host {
    name: String,
    port: u16,
}

#[derive(Debug, Default)]
struct Addresses {
    current: Vec<SocketAddr>,
    known: Vec<SocketAddr>,
}

impl Connector {
    /// Creates a connector; `tls` is for TLS endpoints.
    pub(super) fn new(endpoint: &config::Endpoint, tls: Option<Tls>) -> Self {
        let host = |host: &String, port: &u16| Host {
            name: host.clone(),
            port: *port,
        };
        let way = match endpoint {
            config::Endpoint::Tcp { host: name, port } => Way::Tcp(host(name, port)),
            config::Endpoint::Tls { host: name, port } => Way::Tls(host(name, port), tls),
            config::Endpoint::Unix(path) => Way::Unix(path.clone()),
        };
        let connector = Self {
            way,
            addresses: Mutex::default(),
        };
        if let Some((Ok(address), port)) = connector.host().map(Host::parsed) {
            connector.learn(vec![SocketAddr::new(address, port)]);
        }
        connector
    }

    /// Looks the endpoint's name up. Questions use what was found last, so that none waits for
    /// a name server.
    pub(super) async fn resolve(&self) {
        let Some(host) = self.host().filter(|host| host.is_name()) else {
            return;
        };
        let found = timeout(
            RESOLVE_WAIT_MAX,
            lookup_host((host.name.as_str(), host.port)),
        )
        .await;
        if let Ok(Ok(found)) = found {
            self.learn(found.take(ADDRESSES_MAX).collect());
        }
    }

    /// Returns whether the endpoint is given by a name, whose addresses may change.
    pub(super) fn is_named(&self) -> bool {
        self.host().is_some_and(Host::is_name)
    }

    /// Returns whether the endpoint is reached by this name, in normal form, and port.
    pub(super) fn is_at(&self, name: &str, port: u16) -> bool {
        self.host().is_some_and(|host| {
            let own = host.name.trim_end_matches('.');
            host.port == port && own.eq_ignore_ascii_case(name)
        })
    }

    /// Returns all addresses that the endpoint has or had.
    pub(super) fn known_addresses(&self) -> Vec<SocketAddr> {
        locked(&self.addresses).known.clone()
    }

    /// Opens a connection. Each address gets its share of the time that is left.
    pub(super) async fn connect(&self, deadline: Instant) -> Result<Box<dyn Transport>> {
        match &self.way {
            Way::Tcp(_) => Ok(Box::new(self.connect_tcp(deadline).await?)),
            Way::Tls(host, tls) => {
                let Some(Tls(config)) = tls else {
                    return Err(Error::other("no certificates to judge the endpoint by"));
                };
                let name = ServerName::try_from(host.name.clone()).map_err(Error::other)?;
                let socket = self.connect_tcp(deadline).await?;
                let connector = TlsConnector::from(Arc::clone(config));
                Ok(Box::new(connector.connect(name, socket).await?))
            }
            Way::Unix(path) => Ok(Box::new(connect_unix(path).await?)),
        }
    }

    async fn connect_tcp(&self, deadline: Instant) -> Result<TcpStream> {
        let addresses = locked(&self.addresses).current.clone();
        let mut last = Error::new(ErrorKind::NotFound, "no address is known for the endpoint");
        for (at, address) in addresses.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let others = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
            let share = Instant::now() + left / others;
            match timeout_at(share, connect_to(*address)).await {
                Ok(Ok(socket)) => return Ok(socket),
                Ok(Err(error)) => last = error,
                Err(_) => last = ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    }

    fn host(&self) -> Option<&Host> {
        match &self.way {
            Way::Tcp(host) | Way::Tls(host, _) => Some(host),
            Way::Unix(_) => None,
        }
    }

    fn learn(&self, found: Vec<SocketAddr>) {
        let mut addresses = locked(&self.addresses);
        for address in &found {
            addresses.known.retain(|known| known != address);
            addresses.known.push(*address);
        }
        let surplus = addresses.known.len().saturating_sub(KNOWN_MAX);
        addresses.known.drain(..surplus);
        addresses.current = found;
    }
}

impl Host {
    fn parsed(&self) -> (std::result::Result<IpAddr, std::net::AddrParseError>, u16) {
        (self.name.parse(), self.port)
    }

    fn is_name(&self) -> bool {
        self.name.parse::<IpAddr>().is_err()
    }
}

async fn connect_to(address: SocketAddr) -> Result<TcpStream> {
    let socket = TcpStream::connect(address).await?;
    if socket.local_addr()? == address {
        // On loopback, a connection to a port that nobody listens on can meet itself.
        return Err(ErrorKind::ConnectionRefused.into());
    }
    socket.set_nodelay(true)?;
    Ok(socket)
}

async fn connect_unix(path: &Path) -> Result<UnixStream> {
    UnixStream::connect(path).await
}
