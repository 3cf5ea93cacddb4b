//! Connections as they come in, and those that are refused at the door.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::{TcpListener, TcpStream};

use crate::announced::{self, Unannounced};
use crate::clients::Place;
use crate::close;
use crate::config::Mode;
use crate::connection::{self, Arrival, ClientStream, Connection};
use crate::dial;
use crate::limit::Limit;
use crate::listen::{canonical, original_destination};
use crate::metrics::Refusal;
use crate::sni_check::Bound;
use crate::worker::Worker;

/// Which configured listener a socket belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door {
    /// Its place in the configuration.
    pub(crate) index: usize,
    pub(crate) mode: Mode,
}

/// Accepts connections until the worker should stop.
pub(crate) async fn accept_all(worker: Rc<Worker>, door: Door, listener: TcpListener) {
    let metrics = Arc::clone(&worker.shared.metrics);
    let mut stop = worker.drain.requested();
    loop {
        let (socket, peer) = tokio::select! {
            accepted = service::accept(&listener, || metrics.reached(Limit::Descriptors)) => accepted,
            () = &mut stop => return,
        };
        let peer = canonical(peer);
        let mut open = match Open::new(&worker) {
            Ok(open) => open,
            Err(refusal) => {
                refuse(&worker, door, (peer, socket), refusal);
                continue;
            }
        };
        if let Some(deadline) = announces(&worker, door, peer.ip()) {
            worker.drain.spawn_local(async move {
                serve_announced(open, door, (peer, socket), deadline).await;
            });
            continue;
        }
        match open.admit(door, peer, &socket) {
            Ok(connection) => worker.drain.spawn_local(async move {
                let client = ClientStream::new(BytesMut::new(), socket);
                connection::serve(Rc::clone(&open.worker), connection, client).await;
                drop(open);
            }),
            Err(refusal) => refuse(&worker, door, (peer, socket), refusal),
        }
    }
}

/// Serves a connection of a load balancer for the client that it announces.
async fn serve_announced(
    mut open: Open,
    door: Door,
    (balancer, mut socket): (SocketAddr, TcpStream),
    deadline: Duration,
) {
    let worker = Rc::clone(&open.worker);
    let announced = tokio::select! {
        announced = announced::read(&mut socket, balancer, deadline) => announced,
        () = worker.drain.requested() => return,
    };
    let (client, read_ahead) = match announced {
        Ok(announced) => announced,
        Err(Unannounced::Silent) => return,
        Err(Unannounced::NoHeader) => {
            return refuse(&worker, door, (balancer, socket), Refusal::NoProxyHeader);
        }
    };
    match open.admit(door, client, &socket) {
        Ok(connection) => {
            let client = ClientStream::new(read_ahead, socket);
            connection::serve(worker, connection, client).await;
        }
        Err(refusal) => refuse(&worker, door, (client, socket), refusal),
    }
}

/// Returns how long a peer may take to say who its client is, if it is a load balancer that does.
fn announces(worker: &Worker, door: Door, peer: IpAddr) -> Option<Duration> {
    let live = worker.shared.live.load();
    let listen = live.config.listen.get(door.index)?;
    let mut balancers = listen.proxy_protocol_from.iter();
    let deadline = live.config.http_head.deadline;
    balancers
        .any(|range| range.contains(&peer))
        .then_some(deadline)
}

fn refuse(
    worker: &Worker,
    door: Door,
    (client, socket): (SocketAddr, TcpStream),
    refusal: Refusal,
) {
    worker.log_refused(door.mode, client, refusal);
    if refusal.limit().is_some() {
        // Nothing of it may stay, not even a socket that waits for its peer.
        close::reset(socket);
    }
}

/// Counts a connection as open while it lives, even if its task panics.
struct Open {
    worker: Rc<Worker>,
    /// Among the connections of its client, once that is known.
    place: Option<Place>,
}

impl Open {
    fn new(worker: &Rc<Worker>) -> Result<Self, Refusal> {
        let limits = worker.shared.live.load().config.limits;
        if worker.connections.get() >= limits.connections_per_worker {
            return Err(Refusal::ConnectionLimit);
        }
        worker.connections.set(worker.connections.get() + 1);
        worker.shared.metrics.connections_active.inc();
        Ok(Self {
            worker: Rc::clone(worker),
            place: None,
        })
    }

    /// Looks at who the client is and where it goes, and takes a place for it.
    fn admit(
        &mut self,
        door: Door,
        client: SocketAddr,
        socket: &TcpStream,
    ) -> Result<Connection, Refusal> {
        let worker = &self.worker;
        let connection = admit(worker, door, client, socket)?;
        let limits = worker.shared.live.load().config.limits;
        let clients = &worker.shared.clients;
        let place = clients.take_place(client.ip(), limits.connections_per_client);
        self.place = Some(place.ok_or(Refusal::ClientLimit)?);
        worker.shared.metrics.accepted(door.mode);
        Ok(connection)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let open = self.worker.connections.get();
        debug_assert!(open > 0, "every open connection was counted");
        self.worker.connections.set(open.saturating_sub(1));
        self.worker.shared.metrics.connections_active.dec();
    }
}

/// Looks at a connection before a byte is read from it.
fn admit(
    worker: &Worker,
    door: Door,
    client: SocketAddr,
    socket: &TcpStream,
) -> Result<Connection, Refusal> {
    let arrival = match door.mode {
        Mode::Explicit if !may_use(worker, door, client.ip()) => {
            return Err(Refusal::ClientNotListed);
        }
        Mode::Explicit => Arrival::Explicit,
        Mode::Tproxy | Mode::Redirect => {
            let destination =
                original_destination(door.mode, socket).ok_or(Refusal::NoOriginalDestination)?;
            if dial::is_ours(&worker.shared, destination) {
                return Err(Refusal::SelfAddressed);
            }
            Arrival::Intercepted(destination)
        }
    };
    Ok(Connection {
        client,
        mode: door.mode,
        arrival,
        tunnel: None,
        bound: Bound::default(),
    })
}

/// Returns whether a client is in the list of an explicit listener, as it is now.
fn may_use(worker: &Worker, door: Door, client: IpAddr) -> bool {
    let live = worker.shared.live.load();
    live.config
        .listen
        .get(door.index)
        .is_some_and(|listen| listen.clients.iter().any(|range| range.contains(&client)))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use tokio::task::LocalSet;

    use super::*;
    use crate::fixture::{config, content, worker};

    #[tokio::test]
    async fn a_panic_ends_its_own_connection_only() {
        let worker = worker(config(), content("discard", "block"));
        let open = || Open::new(&worker).unwrap();
        let (open, later) = (open(), open());
        assert_eq!(worker.connections.get(), 2);
        let seen = Rc::new(Cell::new(None));
        let sees = Rc::clone(&seen);
        let tasks = async {
            worker.drain.spawn_local(async move {
                let _open = open;
                panic!("a fault of ours, on purpose");
            });
            worker.drain.spawn_local(async move {
                tokio::task::yield_now().await;
                sees.set(Some(later.worker.connections.get()));
            });
            worker.drain.drain(Duration::from_secs(5)).await
        };
        assert_eq!(LocalSet::new().run_until(tasks).await, Ok(()));
        assert_eq!(
            seen.get(),
            Some(1),
            "the other goes on, and sees itself alone"
        );
        assert_eq!(worker.connections.get(), 0);
    }
}
