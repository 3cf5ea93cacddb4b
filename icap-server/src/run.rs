use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use service::{Admin, Drain, Leftover, admin};
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::config::Config;
use crate::content::{Content, Loaded};
use crate::listen;
use crate::worker::{Shared, accept_all};

/// How long the admin endpoint may take to finish once everything else has.
const ADMIN_DRAIN: Duration = Duration::from_secs(1);

/// A running ICAP server. Dropping it asks it to stop without waiting.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
    admin_drain: Drain,
    grace: Duration,
    workers: Vec<JoinHandle<()>>,
}

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
        source: io::Error,
    },
    /// A worker could not be started.
    #[error("cannot start a worker thread")]
    Worker(#[source] io::Error),
}

/// Binds every listener and starts to serve.
///
/// # Errors
///
/// Fails if an address cannot be bound or a thread cannot be started.
pub async fn start(config: Config, content: Content) -> Result<Running, StartError> {
    check_descriptors(config.connections_max.get());
    let admin = match config.admin {
        Some(address) => Some(
            Admin::bind(address)
                .await
                .map_err(|source| StartError::Listen { address, source })?,
        ),
        None => None,
    };
    let count = config.workers.map_or_else(cores, NonZeroUsize::get);
    let mut shares: Vec<Vec<std::net::TcpListener>> = Vec::new();
    shares.resize_with(count, Vec::new);
    let mut addresses = Vec::new();
    for address in &config.listen {
        let bound = bind(*address, &mut shares);
        let bound = bound.map_err(|source| StartError::Listen {
            address: *address,
            source,
        })?;
        addresses.push(bound);
    }
    let shared = Arc::new(Shared::new(&config, Loaded::new(content)));
    let mut running = Running {
        shared: Arc::clone(&shared),
        addresses,
        admin: None,
        admin_drain: Drain::default(),
        grace: config.drain,
        workers: Vec::new(),
    };
    for listeners in shares {
        let worker = start_worker(listeners, Arc::clone(&shared)).await;
        running.workers.push(worker.map_err(StartError::Worker)?);
    }
    if let Some((admin, address)) = admin {
        running.admin = Some(address);
        admin.serve(pages(&shared), &running.admin_drain);
        info!(listener = "icap_server_admin", %address, "listening");
    }
    for address in &running.addresses {
        info!(listener = "icap", %address, workers = count, "listening");
    }
    Ok(running)
}

impl Running {
    /// Returns where the listeners really are, in the order of the configuration.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    /// Returns where the admin endpoint really is.
    #[must_use]
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Puts new content in force for every request not yet answered; no connection is dropped.
    pub fn reload(&self, content: Content) {
        self.shared.loaded.store(Arc::new(Loaded::new(content)));
        self.shared.metrics.reloads.inc();
        info!("categories and policy replaced");
    }

    /// Stops accepting, lets exchanges finish within the grace period, and returns how many
    /// connections did not.
    pub async fn stop(mut self) -> usize {
        let leftover = match self.shared.drain.drain(self.grace).await {
            Ok(()) => 0,
            Err(Leftover(connections)) => {
                warn!(connections, grace = ?self.grace, "grace period over");
                connections
            }
        };
        if self.admin_drain.drain(ADMIN_DRAIN).await.is_err() {
            warn!("admin endpoint was busy to the end");
        }
        // A worker ends with its last connection. One that hangs in a connection is not waited
        // for: the process is about to end.
        if self.shared.drain.open() == 0 {
            for worker in self.workers.drain(..) {
                if worker.join().is_err() {
                    warn!("a worker panicked");
                }
            }
        }
        leftover
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.drain.request();
        self.admin_drain.request();
    }
}

/// Binds one listener for each worker.
fn bind(address: SocketAddr, shares: &mut [Vec<std::net::TcpListener>]) -> io::Result<SocketAddr> {
    let listeners = listen::bind(address, shares.len())?;
    let mut bound = address;
    for (share, listener) in shares.iter_mut().zip(listeners) {
        bound = listener.local_addr()?;
        share.push(listener);
    }
    Ok(bound)
}

/// Starts a thread that serves its listeners, and waits until it does.
async fn start_worker(
    listeners: Vec<std::net::TcpListener>,
    shared: Arc<Shared>,
) -> io::Result<JoinHandle<()>> {
    let (ready, started) = oneshot::channel();
    let worker = thread::Builder::new()
        .name("icap".to_owned())
        .spawn(move || {
            let outcome = runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .and_then(|runtime| {
                    let outcome = runtime.block_on(async { spawn_accepts(listeners, &shared) });
                    outcome.map(|()| runtime)
                });
            let runtime = match outcome {
                Ok(runtime) => runtime,
                Err(error) => {
                    // Nobody waits any more if the start was given up.
                    let _ = ready.send(Err(error));
                    return;
                }
            };
            let _ = ready.send(Ok(()));
            runtime.block_on(shared.drain.finished());
        })?;
    match started.await {
        Ok(outcome) => outcome.map(|()| worker),
        Err(_) => Err(io::Error::other("the thread ended before it served")),
    }
}

fn spawn_accepts(listeners: Vec<std::net::TcpListener>, shared: &Arc<Shared>) -> io::Result<()> {
    for listener in listeners {
        let listener = TcpListener::from_std(listener)?;
        shared.drain.spawn(accept_all(listener, Arc::clone(shared)));
    }
    Ok(())
}

fn pages(shared: &Arc<Shared>) -> admin::Pages {
    let metrics = shared.metrics.clone();
    let drain = shared.drain.clone();
    admin::Pages {
        metrics: Arc::new(move || metrics.text()),
        ready: Arc::new(move || match drain.is_requested() {
            true => Err("stopping".to_owned()),
            false => Ok(()),
        }),
    }
}

/// Warns if the system allows fewer open files than the configuration allows connections.
fn check_descriptors(connections_max: usize) {
    match service::raise_descriptor_limit() {
        Ok(None) => {}
        Ok(Some(files)) if files > connections_max as u64 => {}
        Ok(Some(files)) => warn!(
            files,
            connections_max, "fewer files than connections allowed"
        ),
        Err(error) => warn!(%error, "cannot raise the limit of open files"),
    }
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}
