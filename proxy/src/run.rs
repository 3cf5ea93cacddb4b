//! Start, reload and stop.

mod fixed;
mod threads;

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use service::admin::{Added, Pages};
use service::{Admin, Drain};
use tracing::{info, warn};

use crate::accept::Door;
use crate::access_log::{AccessLogger, Sink};
use crate::clients::Clients;
use crate::config::{AccessLog, Config, Mode};
use crate::explain::{self, Explainer};
use crate::icap::IcapClient;
use crate::limit::Seldom;
use crate::listen::{self, Bound};
use crate::metrics::Metrics;
use crate::sni_check::Resolver;
use crate::state::{Content, Live, Shared};
use crate::tls::HelloMemory;
use fixed::keep_fixed;
use threads::{Sockets, WorkerThread};

/// How long the admin endpoint and the ICAP client may take to end after the last connection.
pub(crate) const BACKGROUND_GRACE: Duration = Duration::from_secs(1);

/// A running proxy.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
    workers: Vec<WorkerThread>,
    /// Counts the connections of all workers.
    drain: Drain,
    /// Counts what must outlive the connections: the admin endpoint, the ICAP client.
    background: Drain,
    /// Held while a reload is under way, so that generations are never reused.
    reloading: Mutex<()>,
}

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
    /// The files of TLS services of the categorizer.
    #[error(transparent)]
    IcapTls(#[from] crate::icap::IcapTlsError),
    /// A thread could not be started.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
}

/// Binds every listener and starts the workers. What belongs to the process runs on the caller's
/// runtime.
///
/// # Errors
///
/// Fails if an address cannot be bound, the access log cannot be opened, or the system has no
/// thread to give.
pub async fn start(config: Config, content: Content) -> Result<Running, StartError> {
    start_with(config, content, Added::default()).await
}

/// Starts as [`start`] does, with more on the pages of the admin endpoint.
///
/// # Errors
///
/// As [`start`].
pub async fn start_with(
    config: Config,
    content: Content,
    added: Added,
) -> Result<Running, StartError> {
    if let Err(error) = service::raise_descriptor_limit() {
        warn!(%error, "cannot raise the limit of open files");
    }
    let bound = bind_all(&config)?;
    let admin = bind_admin(&config).await?;
    let addresses: Vec<SocketAddr> = bound.iter().map(|bound| bound.address).collect();
    let admin_address = admin.as_ref().map(|(_, address)| *address);
    let background = Drain::default();
    let forbidden = addresses.iter().copied().chain(admin_address).collect();
    let modes: Vec<Mode> = config.listen.iter().map(|listen| listen.mode).collect();
    let doors = doors(&config, bound);
    let shared = share(config, content, forbidden, &background)?;
    let drain = Drain::default();
    let mut running = Running {
        shared,
        addresses,
        admin: admin_address,
        workers: Vec::new(),
        drain,
        background,
        reloading: Mutex::new(()),
    };
    for (index, sockets) in doors.into_iter().enumerate() {
        let started = threads::start(index, &running.shared, &running.drain, sockets).await;
        match started {
            Ok(worker) => running.workers.push(worker),
            Err(error) => {
                running.stop().await;
                return Err(StartError::Thread(error));
            }
        }
    }
    if let Some((admin, _)) = admin {
        admin.serve(running.pages(added), &running.background);
    }
    for (mode, address) in modes.into_iter().zip(&running.addresses) {
        info!(listener = mode.as_str(), %address, "listening");
    }
    if let Some(address) = admin_address {
        info!(listener = "proxy_admin", %address, "listening");
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

    /// Puts a new configuration and content in force for every request not yet decided.
    /// Listeners, workers and the admin address stay as they were started; returns the names of
    /// settings that need a restart.
    ///
    /// The access log is opened anew, so that a file that was moved away is let go.
    pub fn reload(&self, config: Config, content: Content) -> Vec<&'static str> {
        let _reloading = self
            .reloading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let old = self.shared.live.load_full();
        let mut config = config;
        let fixed = keep_fixed(&mut config, &old.config);
        match Sink::open(config.access_log.as_ref()) {
            Ok(sink) => self.shared.access_log.reopen(sink),
            Err(error) => {
                warn!(%error, "cannot open the access log; the one in use stays");
                config.access_log = old.config.access_log.clone();
            }
        }
        let resolver = old.resolver.as_ref();
        let resolver = Resolver::of_system(&config, &content.policy, resolver);
        self.shared.live.store(Arc::new(Live {
            content,
            config,
            resolver,
            generation: old.generation + 1,
        }));
        self.shared.metrics.reloads.inc();
        fixed
    }

    /// Stops accepting, lets connections finish within the grace period, and returns how many
    /// did not.
    pub async fn stop(self) -> usize {
        let grace = self.shared.live.load().config.drain;
        let leftover = self.drain.drain(grace).await;
        for worker in self.workers {
            worker.ended().await;
        }
        // The admin endpoint tells of the drain until it is over.
        if self.background.drain(BACKGROUND_GRACE).await.is_err() {
            warn!("the ICAP client or the admin endpoint was still busy");
        }
        let access_log = self.shared.access_log.clone();
        // It fails only if the runtime is ending already.
        let _ = tokio::task::spawn_blocking(move || access_log.close()).await;
        leftover.err().map_or(0, |leftover| leftover.0)
    }

    /// Returns what the admin endpoint shows.
    fn pages(&self, added: Added) -> Pages {
        let metrics = Arc::clone(&self.shared.metrics);
        let drain = self.drain.clone();
        Pages {
            route: added.route.clone(),
            metrics: Arc::new(move || added.behind(metrics.encode())),
            ready: Arc::new(move || match drain.is_requested() {
                false => Ok(()),
                true => Err("draining".to_owned()),
            }),
            explain: Some(explain::page(Explainer::new(
                Arc::clone(&self.shared),
                self.workers
                    .iter()
                    .map(|worker| worker.looks.clone())
                    .collect(),
            ))),
        }
    }
}

fn bind_all(config: &Config) -> Result<Vec<Bound>, StartError> {
    config
        .listen
        .iter()
        .map(|listen| {
            listen::bind(listen, config.workers.get()).map_err(|source| StartError::Listen {
                address: listen.address,
                source,
            })
        })
        .collect()
}

async fn bind_admin(config: &Config) -> Result<Option<(Admin, SocketAddr)>, StartError> {
    let Some(address) = config.admin else {
        return Ok(None);
    };
    match Admin::bind(address).await {
        Ok(bound) => Ok(Some(bound)),
        Err(source) => Err(StartError::Listen { address, source }),
    }
}

/// Deals the sockets out: for each worker its own, with the listener they belong to.
fn doors(config: &Config, bound: Vec<Bound>) -> Vec<Sockets> {
    let mut doors: Vec<Sockets> = (0..config.workers.get()).map(|_| Vec::new()).collect();
    for (index, (listen, bound)) in config.listen.iter().zip(bound).enumerate() {
        let door = Door {
            index,
            mode: listen.mode,
        };
        for (worker, sockets) in doors.iter_mut().zip(bound.sockets) {
            worker.extend(sockets.into_iter().map(|socket| (door, socket)));
        }
    }
    doors
}

fn share(
    config: Config,
    content: Content,
    forbidden: Vec<SocketAddr>,
    background: &Drain,
) -> Result<Arc<Shared>, StartError> {
    let metrics = Arc::new(Metrics::default());
    let access_log = open_access_log(config.access_log.as_ref(), &metrics)?;
    let icap_generation = Arc::new(AtomicU64::new(0));
    let icap = config.icap.clone().map(|icap| {
        let generation = Arc::clone(&icap_generation);
        IcapClient::start(icap, generation, Arc::clone(&metrics), background)
    });
    let icap = icap.transpose()?;
    let resolver = Resolver::of_system(&config, &content.policy, None);
    Ok(Arc::new(Shared {
        live: ArcSwap::from_pointee(Live {
            content,
            config,
            resolver,
            generation: 0,
        }),
        icap,
        icap_generation,
        metrics,
        access_log,
        clients: Arc::new(Clients::default()),
        refusals: Seldom::default(),
        hello_memory: HelloMemory::default(),
        forbidden: ArcSwap::from_pointee(forbidden),
    }))
}

fn open_access_log(
    config: Option<&AccessLog>,
    metrics: &Metrics,
) -> Result<AccessLogger, StartError> {
    let sink = Sink::open(config).map_err(|source| StartError::AccessLog {
        path: config
            .and_then(|log| log.path.as_ref())
            .map_or_else(|| "-".to_owned(), |path| path.display().to_string()),
        source,
    })?;
    AccessLogger::start(sink, metrics).map_err(StartError::Thread)
}

#[cfg(test)]
mod tests;
