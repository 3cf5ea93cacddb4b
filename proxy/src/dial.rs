//! Connections to origins, and where the proxy will not go (the contract's section 8).

use std::net::SocketAddr;

use tokio::net::TcpStream;

use crate::connection::Connection;
use crate::worker::Worker;

/// An origin to connect to.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// The original destination, or an address written as the authority.
    Address(SocketAddr),
    /// A name to resolve, and a port.
    Name(String, u16),
}

/// Why no origin connection was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// An address where the proxy will not go for this client.
    #[error("`{0}` is an address where the proxy does not go")]
    Forbidden(SocketAddr),
    /// The name has no address.
    #[error("`{0}` has no address")]
    Unresolved(String),
    /// No connection in time.
    #[error("no connection within {0:?}")]
    TimedOut(std::time::Duration),
    /// The system refused.
    #[error("cannot connect")]
    Io(#[source] std::io::Error),
}

impl Worker {
    /// Connects to an origin, after looking at the address that is really dialled.
    pub(crate) async fn dial(
        &self,
        _connection: &Connection,
        _origin: &Origin,
    ) -> Result<TcpStream, DialError> {
        todo!()
    }
}
