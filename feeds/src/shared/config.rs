//! How the store is reached, ready to use.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::gx::Tls;

/// How the store is reached, and what is kept of it here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Where it is.
    pub address: Address,
    /// TLS from the first byte; none: TCP as it is.
    pub tls: Option<Tls>,
    /// Who we are there; none: whoever connects.
    pub login: Option<Login>,
    /// The number of the database.
    pub database: u16,
    /// What the keys of these sessions begin with, so that several networks can share a store;
    /// may be empty.
    pub realm: Box<str>,
    /// How long a question or a change may take.
    pub timeout: Duration,
    /// Answers that are kept at most: sessions, and that there is none.
    pub entries_max: usize,
    /// How long an answer is used without asking anew, in seconds, though nothing was told.
    pub entry_lifetime_s: u32,
    /// How long answers are used while the store cannot be asked, in seconds.
    pub outage_s: u32,
    /// How long a session lives after it was reported last, in seconds.
    pub lifetime_s: u32,
    /// Whether it is looked at what becomes of the sessions that are reported here, as somebody
    /// wants to hear of it.
    pub watch: Watch,
}

/// Whether others are told what becomes of sessions that were reported here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Watch {
    /// A policy server is.
    Reported,
    /// Nobody is.
    Nothing,
}

/// Where the store is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Address {
    /// A name or address, and a port.
    Tcp(Box<str>, u16),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// Who we are at the store.
#[derive(Clone, Eq, PartialEq)]
pub struct Login {
    /// The name; none: the user `default`.
    pub user: Option<Box<str>>,
    /// The password.
    pub password: Box<str>,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}
