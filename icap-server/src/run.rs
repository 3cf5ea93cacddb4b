use std::net::SocketAddr;
use std::sync::Arc;

use policy::PolicySet;
use sessions::Directory;

use crate::config::Config;

/// What a reload replaces.
#[derive(Clone, Debug)]
pub struct Content {
    /// The categories. (The type is `categories::Database`.)
    pub database: Arc<()>,
    /// The policy that `/filter` applies; without it there is no `/filter`.
    pub policy: Option<Arc<PolicySet>>,
    /// Who is behind an address.
    pub sessions: Directory,
}

/// A running ICAP server.
#[derive(Debug)]
pub struct Running {}

/// Why the ICAP server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Binds every listener and starts to serve.
///
/// # Errors
///
/// Fails if an address cannot be bound.
#[expect(clippy::unused_async, reason = "to be written")]
pub async fn start(_config: Config, _content: Content) -> Result<Running, StartError> {
    todo!()
}

impl Running {
    /// Returns where the listeners really are, in the order of the configuration.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        todo!()
    }

    /// Returns where the admin endpoint really is.
    #[must_use]
    pub fn admin(&self) -> Option<SocketAddr> {
        todo!()
    }

    /// Puts new content in force for every request not yet answered; no connection is dropped.
    pub fn reload(&self, _content: Content) {
        todo!()
    }

    /// Stops accepting, lets exchanges finish within the grace period, and returns how many
    /// connections did not.
    #[expect(clippy::unused_async, reason = "to be written")]
    pub async fn stop(self) -> usize {
        todo!()
    }
}
