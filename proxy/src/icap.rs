//! The ICAP client: one for the process, asked by every worker through a bounded queue.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use filter::{Answer, AskError};
use service::Drain;
use uri::NormalUri;

use crate::config::Icap;
use crate::metrics::Metrics;

/// A handle to the process's ICAP client; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct IcapClient {}

/// What the categorizer may learn beside the URI.
#[derive(Clone, Debug, Default)]
pub(crate) struct AskFacts {
    /// X-Client-IP.
    pub(crate) client: Option<IpAddr>,
    /// X-Server-IP.
    pub(crate) server: Option<IpAddr>,
    /// X-Subscriber-ID, where the service asks for it.
    pub(crate) subscriber: Option<Box<str>>,
}

impl IcapClient {
    /// Starts the client's tasks on the current runtime. Adds one to `generation` when an
    /// endpoint's ISTag changes.
    pub(crate) fn start(
        _config: Icap,
        _generation: Arc<AtomicU64>,
        _metrics: Arc<Metrics>,
        _drain: &Drain,
    ) -> Self {
        todo!()
    }

    /// Asks for the categories of one URI, within the configured deadline. Callable from any
    /// worker's thread.
    pub(crate) async fn ask(&self, _uri: NormalUri, _facts: AskFacts) -> Result<Answer, AskError> {
        todo!()
    }

    /// Returns the addresses of the configured endpoints that are known by now, for the list of
    /// places where the proxy will not go.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        todo!()
    }
}
