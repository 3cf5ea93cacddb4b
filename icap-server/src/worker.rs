use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use prometheus_client::metrics::gauge::Gauge;
use service::{Drain, accept, accept_by};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use crate::config::{Config, Limits, Overload};
use crate::connection::Connection;
use crate::content::Loaded;
use crate::door::Door;
use crate::metrics::{Admission, End, Metrics};

/// Connections over the limit that are told so at once; further ones are closed without a word.
pub const REFUSALS_MAX: usize = 256;

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) loaded: ArcSwap<Loaded>,
    pub(crate) settings: ArcSwap<Settings>,
    pub(crate) drain: Drain,
    pub(crate) metrics: Metrics,
    pub(crate) connections_max: usize,
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
}

/// What a reload replaces, besides content. It applies to connections accepted afterwards.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) overload: Overload,
    /// In the order of the listeners.
    pub(crate) doors: Vec<Door>,
}

/// A connection's place among those that are open.
struct Place {
    _permit: OwnedSemaphorePermit,
    open: Gauge,
}

impl Shared {
    pub(crate) fn new(config: &Config, doors: Vec<Door>, loaded: Loaded) -> Self {
        let connections_max = config.connections_max.get();
        Self {
            loaded: ArcSwap::from_pointee(loaded),
            settings: ArcSwap::from_pointee(Settings::new(config, doors)),
            drain: Drain::default(),
            metrics: Metrics::new(),
            connections_max,
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

impl Settings {
    pub(crate) fn new(config: &Config, doors: Vec<Door>) -> Self {
        Self {
            limits: config.limits,
            overload: config.overload,
            doors,
        }
    }
}

/// Accepts connections until a drain is requested; each is a task on the runtime that runs this.
/// `nth` is the listener's place in the configuration.
pub(crate) async fn accept_all(listener: TcpListener, nth: usize, shared: Arc<Shared>) {
    let mut stop = shared.drain.requested();
    loop {
        tokio::select! {
            biased;
            () = &mut stop => return,
            (stream, client) = accept(&listener, || {}) => open(stream, client, nth, &shared),
        }
    }
}

/// Like [`accept_all`], for a Unix socket, whose permissions say who may use it.
pub(crate) async fn accept_all_unix(listener: UnixListener, shared: Arc<Shared>) {
    let mut stop = shared.drain.requested();
    loop {
        let next = accept_by(|context| listener.poll_accept(context), || {});
        tokio::select! {
            biased;
            () = &mut stop => return,
            (stream, _) = next => {
                if let Some((admission, place)) = enter(&shared) {
                    let served = Arc::clone(&shared);
                    shared.drain.spawn(async move {
                        let _place = place;
                        serve(stream, served, admission).await;
                    });
                }
            }
        }
    }
}

fn open(stream: TcpStream, client: SocketAddr, nth: usize, shared: &Arc<Shared>) {
    let settings = shared.settings.load();
    let door = settings.doors.get(nth);
    if door.is_some_and(|door| !door.admits(client.ip())) {
        shared.metrics.accepted(Admission::NotListed);
        debug!(%client, "connection from an address that is not listed");
        return;
    }
    let Some((admission, place)) = enter(shared) else {
        return;
    };
    // Answers are gathered here; waiting for more to send would only delay them.
    if stream.set_nodelay(true).is_err() {
        debug!(%client, "connection ended before it was served");
        return;
    }
    let served = Arc::clone(shared);
    match door.and_then(|door| door.tls.clone()) {
        None => shared.drain.spawn(async move {
            let _place = place;
            serve(stream, served, admission).await;
        }),
        Some(tls) => shared.drain.spawn(async move {
            let _place = place;
            serve_tls(stream, tls, served, admission).await;
        }),
    }
}

/// Finds a place for a connection. None: there is not even room to say that there is none.
fn enter(shared: &Shared) -> Option<(Admission, Place)> {
    let (admission, place) = shared.admit();
    shared.metrics.accepted(admission);
    place.map(|place| (admission, place))
}

async fn serve_tls(stream: TcpStream, tls: TlsAcceptor, shared: Arc<Shared>, admission: Admission) {
    let deadline = shared.settings.load().limits.head;
    let stop = shared.drain.clone();
    let shaken = tokio::select! {
        shaken = timeout(deadline, tls.accept(stream)) => shaken,
        () = stop.requested() => return shared.metrics.ended(End::Drained),
    };
    match shaken {
        Ok(Ok(stream)) => serve(stream, shared, admission).await,
        Ok(Err(error)) => {
            debug!(%error, "no TLS");
            shared.metrics.ended(End::Handshake);
        }
        Err(_) => shared.metrics.ended(End::Slow),
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    shared: Arc<Shared>,
    admission: Admission,
) {
    let metrics = shared.metrics.clone();
    let end = Connection::new(stream, shared, admission).serve().await;
    metrics.ended(end);
    debug!(?end, "connection ended");
}
