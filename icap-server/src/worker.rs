use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use prometheus_client::metrics::gauge::Gauge;
use service::{Drain, accept};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::debug;

use crate::config::{Config, Overload};
use crate::connection::Connection;
use crate::content::Loaded;
use crate::metrics::{Admission, Metrics};

/// Connections over the limit that are told so at once; further ones are closed without a word.
pub const REFUSALS_MAX: usize = 256;

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) loaded: ArcSwap<Loaded>,
    pub(crate) drain: Drain,
    pub(crate) metrics: Metrics,
    pub(crate) connections_max: usize,
    pub(crate) overload: Overload,
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
}

/// A connection's place among those that are open.
struct Place {
    _permit: OwnedSemaphorePermit,
    open: Gauge,
}

impl Shared {
    pub(crate) fn new(config: &Config, loaded: Loaded) -> Self {
        let connections_max = config.connections_max.get();
        Self {
            loaded: ArcSwap::from_pointee(loaded),
            drain: Drain::default(),
            metrics: Metrics::new(),
            connections_max,
            overload: config.overload,
            places: Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS))),
            refusals: Arc::new(Semaphore::new(REFUSALS_MAX)),
        }
    }

    fn admit(&self) -> (Admission, Option<Place>) {
        let (admission, permit) = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(permit) => (Admission::Admitted, permit),
            Err(_) => match Arc::clone(&self.refusals).try_acquire_owned() {
                Ok(permit) => (Admission::Refused, permit),
                Err(_) => return (Admission::Dropped, None),
            },
        };
        let open = self.metrics.connections.clone();
        open.inc();
        (
            admission,
            Some(Place {
                _permit: permit,
                open,
            }),
        )
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// Accepts connections until a drain is requested; each is a task on the runtime that runs this.
pub(crate) async fn accept_all(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        tokio::select! {
            biased;
            () = shared.drain.requested() => return,
            (stream, client) = accept(&listener, || {}) => open(stream, client, &shared),
        }
    }
}

fn open(stream: TcpStream, client: SocketAddr, shared: &Arc<Shared>) {
    let (admission, place) = shared.admit();
    shared.metrics.accepted(admission);
    let Some(place) = place else {
        return;
    };
    // Answers are gathered here; waiting for more to send would only delay them.
    if stream.set_nodelay(true).is_err() {
        debug!(%client, "connection ended before it was served");
        return;
    }
    let served = Arc::clone(shared);
    shared.drain.spawn(async move {
        let _place = place;
        let metrics = served.metrics.clone();
        let end = Connection::new(stream, served, admission).serve().await;
        metrics.ended(end);
        debug!(%client, ?end, "connection ended");
    });
}
