use std::rc::Rc;

use tokio::net::TcpStream;

use super::origin::Origins;
use super::signals::Signals;
use crate::config::Limits;
use crate::connection::{Arrival, Connection};
use crate::worker::Worker;

/// What every request of one client connection is answered with.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) worker: Rc<Worker>,
    pub(super) connection: Connection,
    pub(super) limits: Limits,
    pub(super) signals: Rc<Signals>,
    pub(super) socket: Rc<TcpStream>,
    pub(super) origins: Origins,
}

/// Where a request finds its origin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    /// At the connection's original destination or at the authority of its tunnel.
    Intermediary,
    /// At the authority of its own target: the client knows that it talks to a proxy.
    Proxy,
}

impl Context {
    pub(super) fn role(&self) -> Role {
        Role::of(&self.connection)
    }
}

impl Role {
    pub(super) fn of(connection: &Connection) -> Self {
        match (connection.arrival, &connection.tunnel) {
            (Arrival::Explicit, None) => Self::Proxy,
            (Arrival::Intercepted(_), _) | (Arrival::Explicit, Some(_)) => Self::Intermediary,
        }
    }
}
