//! The policy server by Gx: one task owns all connections and all sessions, and everybody else
//! talks to it through bounded queues.

mod config;
mod connection;
mod driver;
mod metrics;

use std::sync::Arc;

use service::Drain;
use sessions::{Busy, PolicyServer, Reselect, SessionEvent};
use tokio::sync::mpsc;

pub use config::{Config, PeerAddress, Tls};
pub use metrics::Metrics;

/// The way to the policy server.
#[derive(Clone, Debug)]
pub struct Gx {
    events: mpsc::Sender<SessionEvent>,
    metrics: Metrics,
}

/// Starts to speak Gx, until `drain` is requested. What the policy server says about sessions
/// goes to `directory`.
#[must_use]
pub fn start(config: Config, directory: Arc<dyn Reselect>, metrics: Metrics, drain: &Drain) -> Gx {
    let (events, queue) = mpsc::channel(config.queue_max.max(1));
    let driver = driver::Driver::new(config, directory, metrics.clone(), drain.clone());
    drain.spawn(driver.run(queue));
    Gx { events, metrics }
}

impl PolicyServer for Gx {
    fn tell(&self, event: SessionEvent) -> Result<(), Busy> {
        self.events.try_send(event).map_err(|_| {
            self.metrics.refused_events.inc();
            Busy
        })
    }
}

#[cfg(test)]
mod tests;
