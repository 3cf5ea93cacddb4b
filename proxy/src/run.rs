use std::net::SocketAddr;

use crate::config::Config;
use crate::state::Content;

/// A running proxy.
#[derive(Debug)]
pub struct Running {}

/// Why the proxy did not start.
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
    /// The access log could not be opened.
    #[error("cannot open the access log `{path}`")]
    AccessLog {
        /// As configured.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Binds every listener and starts the workers.
///
/// # Errors
///
/// Fails if an address cannot be bound or the access log cannot be opened.
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

    /// Puts a new configuration and content in force for every request not yet decided.
    /// Listeners, workers and the admin address stay as they were started; returns the names of
    /// settings that need a restart.
    pub fn reload(&self, _config: Config, _content: Content) -> Vec<&'static str> {
        todo!()
    }

    /// Stops accepting, lets connections finish within the grace period, and returns how many
    /// did not.
    #[expect(clippy::unused_async, reason = "to be written")]
    pub async fn stop(self) -> usize {
        todo!()
    }
}
