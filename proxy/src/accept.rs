//! Connections as they come in, and those that are refused at the door.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;

use tokio::net::{TcpListener, TcpStream};

use crate::config::Mode;
use crate::connection::{self, Arrival, Connection};
use crate::dial;
use crate::listen::{canonical, original_destination};
use crate::metrics::Refusal;
use crate::worker::Worker;

/// Connections that one worker has open; further ones are closed at once.
pub(crate) const CONNECTIONS_MAX: usize = 32 * 1024;

/// Which configured listener a socket belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door {
    /// Its place in the configuration.
    pub(crate) index: usize,
    pub(crate) mode: Mode,
}

/// Accepts connections until the worker should stop.
pub(crate) async fn accept_all(worker: Rc<Worker>, door: Door, listener: TcpListener) {
    let mut stop = pin!(worker.drain.requested());
    loop {
        let (socket, client) = tokio::select! {
            accepted = service::accept(&listener) => accepted,
            () = &mut stop => return,
        };
        let client = canonical(client);
        match admit(&worker, door, client, &socket) {
            Ok(connection) => {
                worker.shared.metrics.accepted(door.mode);
                let open = Open::new(&worker);
                worker.drain.spawn_local(async move {
                    let worker = Rc::clone(&open.0);
                    connection::serve(worker, connection, socket).await;
                    drop(open);
                });
            }
            Err(refusal) => worker.log_refused(door.mode, client, refusal),
        }
    }
}

/// Counts a connection as open while it lives, even if its task panics.
struct Open(Rc<Worker>);

impl Open {
    fn new(worker: &Rc<Worker>) -> Self {
        worker.connections.set(worker.connections.get() + 1);
        worker.shared.metrics.connections_active.inc();
        Self(Rc::clone(worker))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let open = self.0.connections.get();
        debug_assert!(open > 0, "every open connection was counted");
        self.0.connections.set(open.saturating_sub(1));
        self.0.shared.metrics.connections_active.dec();
    }
}

/// Looks at a connection before a byte is read from it.
fn admit(
    worker: &Worker,
    door: Door,
    client: SocketAddr,
    socket: &TcpStream,
) -> Result<Connection, Refusal> {
    if worker.connections.get() >= CONNECTIONS_MAX {
        return Err(Refusal::ConnectionLimit);
    }
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
    use std::time::Duration;

    use tokio::task::LocalSet;

    use super::*;
    use crate::fixture::{config, content, worker};

    #[tokio::test]
    async fn a_panic_ends_its_own_connection_only() {
        let worker = worker(config(), content("discard", "block"));
        let (open, later) = (Open::new(&worker), Open::new(&worker));
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
                sees.set(Some(later.0.connections.get()));
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
