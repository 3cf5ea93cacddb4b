//! The policy server by Gx: one task owns all connections and all sessions, and everybody else
//! talks to it through bounded queues.

mod config;
mod connection;
mod driver;
mod metrics;
mod settling;
mod tls;

use std::sync::Arc;

use service::Drain;
use sessions::{Busy, PolicyServer, RANGES_MAX, Reselect, SessionEvent};
use tokio::sync::mpsc;

pub use config::{Config, PeerAddress};
pub use metrics::Metrics;
pub use tls::{BadPem, BadTls, OwnCertificate, Tls};

use crate::UNDER_WAY_MAX;

/// Events beyond the queue that there is always room for: those of changes that are under way
/// when the queue is full, each of which ends as many others as it has addresses, and the one of
/// its own name that had ended by itself.
const EVENTS_BEYOND: usize = UNDER_WAY_MAX * (2 + RANGES_MAX);

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
    let (events, queue) = mpsc::channel(config.queue_max.max(1) + EVENTS_BEYOND);
    let driver = driver::Driver::new(config, directory, metrics.clone(), drain.clone());
    drain.spawn(driver.run(queue));
    Gx { events, metrics }
}

impl PolicyServer for Gx {
    fn has_room(&self) -> bool {
        self.events.capacity() > EVENTS_BEYOND
    }

    fn tell(&self, event: SessionEvent) -> Result<(), Busy> {
        self.events.try_send(event).map_err(|_| {
            self.metrics.refused_events.inc();
            Busy
        })
    }
}

#[cfg(test)]
mod tests;
