//! The ICAP server's configuration, checked and ready to use. [`mod@file`] holds it as written.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use icap::RequestLimits;
use ipnet::IpNet;
use policy::Place;

mod categories;
pub mod file;

pub use self::categories::{Categories, Pull};

/// Everything the ICAP server was told, already checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where /metrics and /ready are served.
    pub admin: Option<SocketAddr>,
    /// Where ICAP connections are accepted.
    pub listen: Vec<Listen>,
    /// What an overloaded `/filter` answers; `/categorize` always answers 503.
    pub overload: Overload,
    /// What X-Attribute-Prefix counts.
    pub prefix_unit: PrefixUnit,
    /// How long ICAP clients may keep what `/categorize` says. None: it does not say.
    pub max_age: Option<Duration>,
    /// Connections served at once, which Max-Connections tells ICAP clients.
    pub connections_max: NonZeroUsize,
    /// Of each connection.
    pub limits: Limits,
    /// Worker threads. None: one per core.
    pub workers: Option<NonZeroUsize>,
    /// How long connections may take to finish after a signal.
    pub drain: Duration,
}

/// One listener.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listen {
    /// Where it listens.
    pub socket: Socket,
    /// Whose connections are served, by address. None: everybody's.
    pub clients: Option<Vec<IpNet>>,
    /// None: connections are not encrypted.
    pub tls: Option<Tls>,
}

/// Where a listener listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Socket {
    /// An address and port.
    Tcp(SocketAddr),
    /// A path.
    Unix {
        /// Where the socket lies.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
}

/// The files of a TLS listener, in PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tls {
    /// The certificate, and those between it and the authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Who signs the certificates of ICAP clients. None: they need none.
    pub client_ca: Option<PathBuf>,
    /// Where the configuration file says so.
    pub place: Place,
}

/// What an overloaded `/filter` answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Overload {
    /// 503.
    Refuse,
    /// 204: pass.
    Pass,
}

/// What X-Attribute-Prefix counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PrefixUnit {
    /// Characters of the URI, scheme and authority included.
    Uri,
    /// Characters of its path (draft-stecher-icap-subid 4.4).
    Path,
    /// Nothing: it is not sent.
    Off,
}

/// Limits of each connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// What is read of a request.
    pub request: RequestLimits,
    /// Bytes of a preview, as sent, after which the answer is given at once.
    pub preview_len_max: usize,
    /// Bytes of a body, as sent, that are read only to be dropped. A longer one costs less as a
    /// closed connection.
    pub read_over_len_max: usize,
    /// How long a request may take from its first byte to the end of its heads, and a TLS
    /// handshake.
    pub head: Duration,
    /// How long nothing may move while a body is read or an answer is sent.
    pub stall: Duration,
    /// How long a connection may be without a request. ICAP clients should give theirs up sooner,
    /// so that none is closed while a request is on its way.
    pub idle: Duration,
}

impl Listen {
    /// Returns a listener at this address that serves everybody.
    #[must_use]
    pub fn at(address: SocketAddr) -> Self {
        Self {
            socket: Socket::Tcp(address),
            clients: None,
            tls: None,
        }
    }

    /// Returns the address, if it is at one.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match self.socket {
            Socket::Tcp(address) => Some(address),
            Socket::Unix { .. } => None,
        }
    }
}
