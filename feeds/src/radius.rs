//! RADIUS accounting: who has which address, told by the network (RFC 2866).

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use service::Drain;
use sessions::{Effect, Pending};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tracing::{debug, warn};

use crate::metrics::Metrics;
use crate::{Subscribers, Unchanged, at_once};

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

/// A listener that takes reports.
#[derive(Debug)]
pub struct Radius {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
}

#[derive(Debug)]
struct Shared {
    config: ArcSwap<Config>,
    subscribers: Arc<Subscribers>,
    metrics: Arc<Metrics>,
    recent: Mutex<Recent>,
    /// When it was said last why reports are refused.
    said: Mutex<Option<Instant>>,
}

/// How often it is said why reports are refused.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// What is known of a datagram when it was read.
enum Taken {
    /// Everything: what became of it, and the answer if there is to be one.
    Known(Outcome, Option<Vec<u8>>),
    /// A change is under way; the answer comes after it.
    Changing(Pending<Result<Effect, Unchanged>>, Box<accounting::Request>),
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
        subscribers: &Arc<Subscribers>,
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
            subscribers: Arc::clone(subscribers),
            metrics: Arc::clone(metrics),
            recent: Mutex::default(),
            said: Mutex::default(),
        });
        let mut addresses = Vec::with_capacity(bound.len());
        for (socket, address) in bound {
            addresses.push(address);
            let (shared, ending) = (Arc::clone(&shared), drain.clone());
            drain.spawn(async move {
                tokio::select! {
                    () = shared.serve(socket, &ending) => {}
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

impl Shared {
    async fn serve(self: Arc<Self>, socket: UdpSocket, drain: &Drain) {
        let socket = Arc::new(socket);
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
            let (outcome, answer) = match self.take(datagram, from) {
                Taken::Known(outcome, answer) => (outcome, answer),
                Taken::Changing(mut changing, request) => match at_once(&mut changing) {
                    Poll::Ready(changed) => self.changed(changed, &request, from),
                    Poll::Pending => {
                        let (shared, socket) = (Arc::clone(&self), Arc::clone(&socket));
                        drain.spawn(async move {
                            let (outcome, answer) = shared.changed(changing.await, &request, from);
                            shared.answer(&socket, from, outcome, answer).await;
                        });
                        continue;
                    }
                },
            };
            self.answer(&socket, from, outcome, answer).await;
        }
    }

    /// Takes a datagram. A change that it asks for is under way then.
    fn take(&self, datagram: &[u8], from: SocketAddr) -> Taken {
        let config = self.config.load();
        let Some(secret) = config.secret(from.ip()) else {
            return Taken::Known(Outcome::UnknownClient, None);
        };
        let request = match accounting::Request::read(datagram, secret.bytes()) {
            Ok(request) => request,
            Err(wrong) => return Taken::Known(Outcome::of(wrong), None),
        };
        if request.asks_for_status() {
            return Taken::Known(Outcome::Status, request.answer());
        }
        if self
            .recent()
            .has(recent::key(from.ip(), request.authenticator()))
        {
            return Taken::Known(Outcome::Repeated, request.answer());
        }
        match report::change(&config, (&request, from.ip()), crate::now_s()) {
            Some(change) => Taken::Changing(self.subscribers.change(change), Box::new(request)),
            None => Taken::Known(Outcome::Ignored, request.answer()),
        }
    }

    /// Returns the answer to a report that was put in force, or not.
    fn changed(
        &self,
        changed: Result<Effect, Unchanged>,
        request: &accounting::Request,
        from: SocketAddr,
    ) -> (Outcome, Option<Vec<u8>>) {
        let effect = match changed {
            Ok(effect) => effect,
            Err(unchanged) => {
                self.complain(unchanged);
                return (Outcome::Refused, None);
            }
        };
        let key = recent::key(from.ip(), request.authenticator());
        self.recent().add(key);
        (effect.applied.into(), request.answer())
    }

    async fn answer(
        &self,
        socket: &UdpSocket,
        from: SocketAddr,
        outcome: Outcome,
        answer: Option<Vec<u8>>,
    ) {
        self.metrics.reported(outcome);
        debug!(%from, outcome = outcome.as_str(), "report of a session");
        if let Some(answer) = answer
            && let Err(error) = socket.send_to(&answer, from).await
        {
            debug!(%from, %error, "cannot answer a report");
        }
    }

    /// Says now and then why reports are refused.
    fn complain(&self, unchanged: Unchanged) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if said.is_none_or(|said| now.duration_since(said) >= COMPLAIN_EVERY) {
            *said = Some(now);
            warn!(%unchanged, "reports of sessions are refused, and not answered");
        }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
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
