use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use service::{Admin, Drain, Leftover, admin};
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime;
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::config::{Config, Listen, Socket};
use crate::content::{Content, Loaded};
use crate::door::{TlsError, doors};
use crate::listen::{self, Listener, SocketFile};
use crate::metrics::PullOutcome;
use crate::worker::{Settings, Shared, accept_all, accept_all_unix};

/// The key of the listeners.
const LISTEN: &str = "icap_server.listen";

/// How long the admin endpoint may take to finish once everything else has.
const ADMIN_DRAIN: Duration = Duration::from_secs(1);

/// How long replaced content is kept for the answers that are being made from it.
pub const RETIRE_WAIT_MAX: Duration = Duration::from_secs(1);

/// How often it is looked whether they are done.
const RETIRE_POLL: Duration = Duration::from_millis(1);

/// A running ICAP server. Dropping it asks it to stop without waiting.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    config: Config,
    addresses: Vec<SocketAddr>,
    /// They go when the server is gone.
    _socket_files: Vec<SocketFile>,
    admin: Option<SocketAddr>,
    admin_drain: Drain,
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
    /// A Unix socket could not be made.
    #[error("cannot listen on `{}`", path.display())]
    ListenUnix {
        /// As configured.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file of a TLS listener cannot be used.
    #[error("cannot serve TLS")]
    Tls(#[source] TlsError),
    /// A worker could not be started.
    #[error("cannot start a worker thread")]
    Worker(#[source] io::Error),
}

/// Binds every listener and starts to serve.
///
/// # Errors
///
/// Fails if an address cannot be bound, a file of a TLS listener cannot be used, or a thread
/// cannot be started.
pub async fn start(config: Config, content: Content) -> Result<Running, StartError> {
    start_with(config, content, admin::Added::default()).await
}

/// Starts as [`start`] does, with more on the pages of the admin endpoint.
///
/// # Errors
///
/// As [`start`].
pub async fn start_with(
    config: Config,
    content: Content,
    added: admin::Added,
) -> Result<Running, StartError> {
    check_descriptors(config.connections_max.get());
    let doors = doors(&config).map_err(StartError::Tls)?;
    let admin = match config.admin {
        Some(address) => Some(
            Admin::bind(address)
                .await
                .map_err(|source| StartError::Listen { address, source })?,
        ),
        None => None,
    };
    let count = config.workers.map_or_else(cores, NonZeroUsize::get);
    let bound = Bound::bind(&config.listen, count)?;
    let loaded = Loaded::new(&config, content);
    let shared = Arc::new(Shared::new(&config, doors, loaded));
    let mut running = Running {
        shared: Arc::clone(&shared),
        config,
        addresses: bound.addresses,
        _socket_files: bound.files,
        admin: None,
        admin_drain: Drain::default(),
        workers: Vec::new(),
    };
    for listeners in bound.shares {
        let worker = start_worker(listeners, Arc::clone(&shared)).await;
        running.workers.push(worker.map_err(StartError::Worker)?);
    }
    if let Some((admin, address)) = admin {
        running.admin = Some(address);
        admin.serve(pages(&shared, added), &running.admin_drain);
        info!(listener = "icap_server_admin", %address, "listening");
    }
    running.tell(count);
    Ok(running)
}

impl Running {
    /// Returns where the listeners with an address really are, in the order of the configuration.
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
    /// Limits, certificates and who may connect apply to connections accepted afterwards. Returns
    /// the settings that differ and need a restart.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, if a file of a TLS listener cannot be used.
    pub fn reload(&self, config: &Config, content: Content) -> Result<Vec<&'static str>, TlsError> {
        let fixed = fixed_settings(&self.config, config);
        let same_listeners = !fixed.contains(&LISTEN);
        let doors = match same_listeners {
            true => doors(config)?,
            // The listeners that are there keep their doors.
            false => self.shared.settings.load().doors.clone(),
        };
        let settings = Settings::new(config, doors);
        self.shared.settings.store(Arc::new(settings));
        self.replace_content(config, content);
        self.reload_taken();
        Ok(fixed)
    }

    /// Puts new content in force and leaves all settings as they are. The content before is freed
    /// here and not by a worker, once no answer is made from it; this blocks until then, for
    /// [`RETIRE_WAIT_MAX`] at most.
    pub fn replace_content(&self, config: &Config, content: Content) {
        let loaded = Arc::new(Loaded::new(config, content));
        let before = self.shared.loaded.swap(loaded);
        self.shared.metrics.reloads.inc();
        info!("categories and policy replaced");
        retire(before);
    }

    /// Counts an attempt to fetch a category file that ended now.
    pub fn pulled(&self, outcome: PullOutcome) {
        self.shared.metrics.pulls.ended(outcome, SystemTime::now());
    }

    /// Says that nothing is fetched any more, so that nothing fails.
    pub fn pulls_ended(&self) {
        self.shared.metrics.pulls.given_up();
    }

    /// Says that nothing is wrong any more since a reload was refused.
    pub fn reload_taken(&self) {
        self.shared.metrics.reload_failed.set(0);
    }

    /// Counts a reload that changed nothing, since something was wrong.
    pub fn reload_refused(&self) {
        self.shared.metrics.refused_reloads.inc();
        self.shared.metrics.reload_failed.set(1);
    }

    fn tell(&self, workers: usize) {
        let mut addresses = self.addresses.iter();
        for listen in &self.config.listen {
            match (&listen.socket, &listen.tls) {
                (Socket::Unix { path, .. }, _) => {
                    let path = path.display();
                    info!(listener = "icap_unix", %path, workers, "listening");
                }
                (Socket::Tcp(_), tls) => {
                    let Some(address) = addresses.next() else {
                        continue;
                    };
                    let listener = if tls.is_some() { "icaps" } else { "icap" };
                    info!(listener, %address, workers, "listening");
                }
            }
        }
    }

    /// Stops accepting, lets exchanges finish within the grace period, and returns how many
    /// connections did not.
    pub async fn stop(mut self) -> usize {
        let leftover = match self.shared.drain.drain(self.config.drain).await {
            Ok(()) => 0,
            Err(Leftover(connections)) => {
                warn!(connections, grace = ?self.config.drain, "grace period over");
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

/// The listeners of all workers.
struct Bound {
    shares: Vec<Vec<(usize, Listener)>>,
    addresses: Vec<SocketAddr>,
    files: Vec<SocketFile>,
}

impl Bound {
    /// Binds every listener, once for each of `count` workers.
    fn bind(listen: &[Listen], count: usize) -> Result<Self, StartError> {
        let mut bound = Self {
            shares: Vec::new(),
            addresses: Vec::new(),
            files: Vec::new(),
        };
        bound.shares.resize_with(count, Vec::new);
        for (nth, listen) in listen.iter().enumerate() {
            match &listen.socket {
                Socket::Tcp(address) => {
                    bound
                        .tcp(nth, *address)
                        .map_err(|source| StartError::Listen {
                            address: *address,
                            source,
                        })?;
                }
                Socket::Unix { path, mode } => {
                    let made = listen::bind_unix(path, *mode, count);
                    let (listeners, file) = made.map_err(|source| StartError::ListenUnix {
                        path: path.clone(),
                        source,
                    })?;
                    bound.files.push(file);
                    bound.share(nth, listeners.into_iter().map(Listener::Unix));
                }
            }
        }
        Ok(bound)
    }

    fn tcp(&mut self, nth: usize, address: SocketAddr) -> io::Result<()> {
        let listeners = listen::bind(address, self.shares.len())?;
        if let Some(first) = listeners.first() {
            self.addresses.push(first.local_addr()?);
        }
        self.share(nth, listeners.into_iter().map(Listener::Tcp));
        Ok(())
    }

    fn share(&mut self, nth: usize, listeners: impl Iterator<Item = Listener>) {
        for (share, listener) in self.shares.iter_mut().zip(listeners) {
            share.push((nth, listener));
        }
    }
}

/// Waits until nobody else has `content`, and frees it. An answer is made in microseconds; should
/// one take longer, its worker frees the content.
fn retire(content: Arc<Loaded>) {
    let end = Instant::now() + RETIRE_WAIT_MAX;
    while Arc::strong_count(&content) > 1 && Instant::now() < end {
        thread::sleep(RETIRE_POLL);
    }
}

/// Returns the settings that differ and are read at the start alone.
fn fixed_settings(before: &Config, now: &Config) -> Vec<&'static str> {
    let sockets = |config: &Config| -> Vec<Socket> {
        let listen = config.listen.iter();
        listen.map(|listen| listen.socket.clone()).collect()
    };
    let settings = [
        ("icap_server.admin", before.admin != now.admin),
        (LISTEN, sockets(before) != sockets(now)),
        (
            "icap_server.connections_max",
            before.connections_max != now.connections_max,
        ),
        ("icap_server.workers", before.workers != now.workers),
        ("icap_server.drain_s", before.drain != now.drain),
    ];
    let settings = settings.into_iter().filter(|(_, differs)| *differs);
    settings.map(|(name, _)| name).collect()
}

/// Starts a thread that serves its listeners, and waits until it does.
async fn start_worker(
    listeners: Vec<(usize, Listener)>,
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

fn spawn_accepts(listeners: Vec<(usize, Listener)>, shared: &Arc<Shared>) -> io::Result<()> {
    for (nth, listener) in listeners {
        let accepting = Arc::clone(shared);
        match listener {
            Listener::Tcp(listener) => {
                let listener = TcpListener::from_std(listener)?;
                shared.drain.spawn(accept_all(listener, nth, accepting));
            }
            Listener::Unix(listener) => {
                let listener = UnixListener::from_std(listener)?;
                shared.drain.spawn(accept_all_unix(listener, accepting));
            }
        }
    }
    Ok(())
}

fn pages(shared: &Arc<Shared>, added: admin::Added) -> admin::Pages {
    let metrics = shared.metrics.clone();
    let drain = shared.drain.clone();
    admin::Pages {
        route: added.route.clone(),
        metrics: Arc::new(move || added.behind(metrics.text())),
        ready: Arc::new(move || match drain.is_requested() {
            true => Err("stopping".to_owned()),
            false => Ok(()),
        }),
        explain: None,
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
