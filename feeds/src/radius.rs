//! RADIUS accounting: who has which address, told by the network (RFC 2866).

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use service::Drain;
use sessions::LiveSessions;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, warn};

use crate::metrics::Metrics;

mod config;
mod recent;
mod report;

pub use config::{CLIENTS_MAX, Client, Config, HintedProfile, LISTEN_MAX, PROFILES_MAX, Secret};
pub use recent::RECENT_MAX;
pub use report::{CLOCK_AHEAD_S_MAX, Outcome};

use recent::Recent;

/// Bytes of datagrams that may wait for us; the system drops what is more, and a NAS sends again.
pub const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long a listener rests after an error of its socket.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// How often a part of the table is looked at for sessions that ended by themselves.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// A listener that takes reports.
#[derive(Debug)]
pub struct Radius {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
}

#[derive(Debug)]
struct Shared {
    config: ArcSwap<Config>,
    live: Arc<LiveSessions>,
    metrics: Arc<Metrics>,
    recent: Mutex<Recent>,
}

/// An address could not be bound.
#[derive(Debug)]
pub struct ListenError {
    /// As configured.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

impl Radius {
    /// Binds the addresses and takes reports until `drain` is requested.
    ///
    /// # Errors
    ///
    /// Fails if an address cannot be bound.
    pub fn start(
        config: Config,
        live: &Arc<LiveSessions>,
        metrics: &Arc<Metrics>,
        drain: &Drain,
    ) -> Result<Self, ListenError> {
        let bound = config.listen.iter().map(|address| {
            bind(*address).map_err(|source| ListenError {
                address: *address,
                source,
            })
        });
        let bound: Vec<(UdpSocket, SocketAddr)> = bound.collect::<Result<_, _>>()?;
        let shared = Arc::new(Shared {
            config: ArcSwap::from_pointee(config),
            live: Arc::clone(live),
            metrics: Arc::clone(metrics),
            recent: Mutex::default(),
        });
        let mut addresses = Vec::with_capacity(bound.len());
        for (socket, address) in bound {
            addresses.push(address);
            let (shared, ending) = (Arc::clone(&shared), drain.clone());
            drain.spawn(async move {
                tokio::select! {
                    () = shared.serve(socket) => {}
                    () = ending.requested() => {}
                }
            });
        }
        Ok(Self { shared, addresses })
    }

    /// Returns where it really listens, in the order of the configuration.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Puts other clients, secrets and profiles in force. Returns whether the addresses differ,
    /// which needs a restart.
    pub fn reload(&self, config: Config) -> bool {
        let differ = self.shared.config.load().listen != config.listen;
        self.shared.config.store(Arc::new(config));
        differ
    }
}

/// Drops sessions that ended by themselves until `drain` is requested.
pub fn sweep(live: &Arc<LiveSessions>, metrics: &Arc<Metrics>, drain: &Drain) {
    let (live, metrics) = (Arc::clone(live), Arc::clone(metrics));
    let ending = drain.clone();
    drain.spawn(async move {
        let mut ticks = interval(SWEEP_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let sweeping = async {
            loop {
                ticks.tick().await;
                metrics.ended(live.sweep(now_s()).len());
            }
        };
        tokio::select! {
            () = sweeping => {}
            () = ending.requested() => {}
        }
    });
}

/// Returns the seconds since 1970.
#[must_use]
pub fn now_s() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| u32::try_from(now.as_secs()).unwrap_or(u32::MAX))
}

impl Shared {
    async fn serve(&self, socket: UdpSocket) {
        // One byte more than a datagram may have, so that a longer one is seen to be.
        let mut buffer = vec![0; accounting::DATAGRAM_LEN_MAX + 1];
        loop {
            let (len, from) = match socket.recv_from(&mut buffer).await {
                Ok(received) => received,
                Err(error) => {
                    warn!(%error, "cannot receive reports of sessions");
                    tokio::time::sleep(ERROR_PAUSE).await;
                    continue;
                }
            };
            let datagram = buffer.get(..len).unwrap_or_default();
            let (outcome, answer) = self.take(datagram, from);
            self.metrics.reported(outcome);
            debug!(%from, outcome = outcome.as_str(), "report of a session");
            if let Some(answer) = answer
                && let Err(error) = socket.send_to(&answer, from).await
            {
                debug!(%from, %error, "cannot answer a report");
            }
        }
    }

    /// Takes a datagram, and returns the answer if there is to be one: after the change.
    fn take(&self, datagram: &[u8], from: SocketAddr) -> (Outcome, Option<Vec<u8>>) {
        let config = self.config.load();
        let Some(secret) = config.secret(from.ip()) else {
            return (Outcome::UnknownClient, None);
        };
        let request = match accounting::Request::read(datagram, secret.bytes()) {
            Ok(request) => request,
            Err(wrong) => return (Outcome::of(wrong), None),
        };
        let key = recent::key(from.ip(), request.authenticator());
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.has(key) {
            return (Outcome::Repeated, request.answer());
        }
        let outcome = report::apply(&self.live, &config, (&request, from.ip()), now_s());
        if !outcome.is_answered() {
            return (outcome, None);
        }
        recent.add(key);
        drop(recent);
        (outcome, request.answer())
    }
}

fn bind(address: SocketAddr) -> io::Result<(UdpSocket, SocketAddr)> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    // The system may give less.
    socket.set_recv_buffer_size(WAITING_BYTES_MAX)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    let socket = UdpSocket::from_std(socket.into())?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}
