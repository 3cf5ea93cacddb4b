//! The ICAP server's configuration, checked and ready to use. [`mod@file`] holds it as written.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

pub mod file;

/// Everything the ICAP server was told, already checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where /metrics and /ready are served.
    pub admin: Option<SocketAddr>,
    /// Where ICAP connections are accepted.
    pub listen: Vec<SocketAddr>,
    /// What an overloaded `/filter` answers; `/categorize` always answers 503.
    pub overload: Overload,
    /// Connections served at once, which Max-Connections tells ICAP clients.
    pub connections_max: NonZeroUsize,
    /// Worker threads. None: one per core.
    pub workers: Option<NonZeroUsize>,
    /// How long connections may take to finish after a signal.
    pub drain: Duration,
}

/// What an overloaded `/filter` answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Overload {
    /// 503.
    Refuse,
    /// 204: pass.
    Pass,
}
