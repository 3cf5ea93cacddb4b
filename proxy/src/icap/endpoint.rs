//! One ICAP service as it is reached: connections, breaker, ISTag, and what it offers.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use filter::AskError;
use icap::{Answer, Exchange, PreviewOffer, ReqmodQuestion, ServiceUri, Skip};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, error, info, warn};

use super::attempts::Ended;
use super::connect::Connector;
use super::exchange::{After, Broken, Connection};
use super::health::{Change, Health, State};
use super::meaning::{Keep, Reading};
use super::metrics::IcapMetrics;
use super::pool::{Pool, Slot, locked};
use super::tags::{Noted, Tags};
use super::tls::Tls;
use super::{Asked, Subject};
use crate::config::{Icap, IcapService};

/// The share of the deadline that must be left when a question stops waiting for a connection in
/// use: one over this.
const TO_ANSWER_SHARES: u32 = 8;

/// One ICAP service.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) service: ServiceUri,
    pub(super) connector: Connector,
    pub(super) pool: Pool,
    pub(super) health: Health,
    pub(super) metrics: IcapMetrics,
    offer: Mutex<Offer>,
    tags: Mutex<Tags>,
    generation: Arc<AtomicU64>,
    reading: Reading,
    deadline: Duration,
    /// Questions that are here and not answered.
    outstanding: AtomicUsize,
}

/// What a service's OPTIONS change about a question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    /// Whether to send `Preview: 0`.
    pub(super) preview: PreviewOffer,
    /// Whether it wants X-Subscriber-ID.
    pub(super) wants_subscriber: bool,
}

/// Until when things may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// To be connected, if a connection is needed.
    pub(super) connect_by: Instant,
    /// To have the answer.
    pub(super) answer_by: Instant,
}

/// What was left of those times when the exchange began.
#[derive(Clone, Copy, Debug)]
struct Had {
    to_connect: Duration,
    to_answer: Duration,
}

/// An answer as it came.
#[derive(Debug)]
pub(super) struct Exchanged {
    pub(super) answer: Answer,
    pub(super) after: After,
    /// When the question was sent.
    pub(super) sent: Instant,
}

/// What is left to do after an answer, which does not have to wait for it.
#[derive(Debug)]
pub(super) struct Tidy {
    endpoint: Arc<Endpoint>,
    connection: Connection,
    skip: Skip,
    slot: Slot,
}

impl Default for Offer {
    fn default() -> Self {
        Self {
            preview: PreviewOffer::None,
            wants_subscriber: false,
        }
    }
}

impl Endpoint {
    /// Creates an endpoint that has not been asked anything. None, and an error in the log: the
    /// service's URI cannot be sent.
    pub(super) fn new(
        service: &IcapService,
        config: &Icap,
        generation: &Arc<AtomicU64>,
        metrics: &IcapMetrics,
        tls: Option<Tls>,
    ) -> Option<Self> {
        let uri = ServiceUri::parse(&service.uri)
            .inspect_err(|error| error!(%error, "icap service left out"));
        Some(Self {
            service: uri.ok()?,
            connector: Connector::new(&service.endpoint, tls),
            pool: Pool::default(),
            health: Health::default(),
            metrics: metrics.clone(),
            offer: Mutex::default(),
            tags: Mutex::default(),
            generation: Arc::clone(generation),
            reading: Reading::new(config),
            deadline: config.deadline,
            outstanding: AtomicUsize::new(0),
        })
    }

    /// Returns whether the endpoint is reached by this name and port.
    pub(super) fn is_at(&self, name: &str, port: u16) -> bool {
        self.connector.is_at(name, port)
    }

    /// Returns all addresses that the endpoint has or had.
    pub(super) fn known_addresses(&self) -> Vec<std::net::SocketAddr> {
        self.connector.known_addresses()
    }

    /// Returns how many questions are here and not answered.
    pub(super) fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Relaxed)
    }

    /// Asks for the categories of one URI. A connection must be there by `connect_by`, which is
    /// before the deadline if others could be asked.
    pub(super) async fn ask(self: &Arc<Self>, asked: &Asked, connect_by: Instant) -> Ended {
        let _counted = Outstanding::count(&self.outstanding);
        let limits = Limits {
            connect_by,
            answer_by: asked.deadline,
        };
        match timeout_at(limits.connect_by, self.health.known()).await {
            Ok(State::Up) => {}
            Ok(State::Starting | State::Down) => return Err(AskError::BreakerOpen),
            Err(_) => return Err(limits.unconnected()),
        }
        let question = self.question(asked)?;
        let waiting = Instant::now();
        // With others to ask after it, waiting in line is not worth more time than connecting.
        let slot = timeout_at(limits.wait_by(self.deadline), self.pool.slot())
            .await
            .map_err(|_| limits.unserved())?;
        let waited = waiting.elapsed();
        let had = limits.had();
        let exchanged = self.exchange(&question, Exchange::Reqmod, limits).await;
        let (answer, tidy) = match exchanged {
            Ok(exchanged) => {
                let keep = self.note_tag(&exchanged.answer, exchanged.sent);
                let tidy = self.settle(exchanged.after, slot);
                (self.reading.read(exchanged.answer, keep), tidy)
            }
            Err(error) => (Err(error), None),
        };
        self.report(answer.as_ref().err().copied(), had);
        match answer {
            Ok(answer) => Ok((answer, tidy)),
            // The time went by in waiting for a connection.
            Err(AskError::Timeout) if waited > had.to_answer => Err(AskError::Overload),
            Err(error) => Err(error),
        }
    }

    /// Sends a question and reads the head of its answer, on an idle connection if there is one.
    /// If that one ends without a byte, the question goes out once more on a fresh one: the peer
    /// closed it while the question was on its way.
    pub(super) async fn exchange(
        &self,
        question: &[u8],
        kind: Exchange,
        limits: Limits,
    ) -> Result<Exchanged, AskError> {
        if let Some(connection) = self.pool.take() {
            match self.exchange_on(connection, question, kind, limits).await {
                Err(Failure::Broken(Broken::Silent(_))) => self.metrics.retries.inc(),
                exchanged => return exchanged.map_err(AskError::from),
            };
        }
        let connecting = self.connector.connect(limits.connect_by);
        let io = match timeout_at(limits.connect_by, connecting).await {
            Ok(Ok(io)) => io,
            Ok(Err(error)) => {
                debug!(service = %self.service, %error, "icap endpoint not reached");
                return Err(if Instant::now() < limits.connect_by {
                    AskError::Connect
                } else {
                    limits.unconnected()
                });
            }
            Err(_) => return Err(limits.unconnected()),
        };
        let connection = Connection::new(io, self.metrics.connections.clone());
        let exchanged = self.exchange_on(connection, question, kind, limits).await;
        exchanged.map_err(AskError::from)
    }

    async fn exchange_on(
        &self,
        connection: Connection,
        question: &[u8],
        kind: Exchange,
        limits: Limits,
    ) -> Result<Exchanged, Failure> {
        let sent = Instant::now();
        let exchange = connection.exchange(question, self.reading.reader(kind));
        let done = timeout_at(limits.answer_by, exchange).await;
        let (answer, after) = done.map_err(|_| Failure::Late)?.map_err(|broken| {
            debug!(service = %self.service, error = %service::describe(&broken), "icap exchange broken");
            Failure::Broken(broken)
        })?;
        Ok(Exchanged {
            answer,
            after,
            sent,
        })
    }

    /// Notes the ISTag of an answer, and makes cached answers stale if it is another one.
    pub(super) fn note_tag(&self, answer: &Answer, sent: Instant) -> Keep {
        let Some(tag) = &answer.is_tag else {
            return Keep::Allowed;
        };
        let mut tags = locked(&self.tags);
        let noted = tags.note(tag, sent, Instant::now());
        match noted {
            Noted::Same => return Keep::Allowed,
            Noted::Unkept => {
                self.metrics.unkept.inc();
                return Keep::Forbidden;
            }
            Noted::Changed | Noted::AlternationFound => {}
        }
        // Under the lock: nobody may deliver an answer with the new tag before this.
        self.generation.fetch_add(1, Ordering::AcqRel);
        drop(tags);
        self.metrics.flushes.inc();
        if noted == Noted::AlternationFound {
            warn!(service = %self.service, "icap service alternates its ISTag; its answers are not cached");
            return Keep::Forbidden;
        }
        debug!(service = %self.service, "icap service changed its ISTag");
        Keep::Allowed
    }

    /// Keeps or closes a connection after an answer. Some: the rest of the answer must be read
    /// past first.
    pub(super) fn settle(self: &Arc<Self>, after: After, slot: Slot) -> Option<Tidy> {
        match after {
            After::Ready(connection) => self.pool.put(connection),
            After::Skip(connection, skip) => {
                return Some(Tidy {
                    endpoint: Arc::clone(self),
                    connection,
                    skip,
                    slot,
                });
            }
            After::Closed => {}
            After::Unclean => {
                self.metrics.unclean.inc();
                debug!(service = %self.service, "more on the connection than the answer");
            }
        }
        // Whoever waits for the slot finds the connection.
        drop(slot);
        None
    }

    /// Changes questions to what the service offers now.
    pub(super) fn offered(&self, offer: Offer, connections_max: Option<u64>) {
        *locked(&self.offer) = offer;
        self.pool.limit(connections_max);
    }

    /// Logs and counts a change of the breaker.
    pub(super) fn changed(&self, change: Change) {
        match change {
            Change::None => {}
            Change::CameUp => {
                self.metrics.endpoints_up.inc();
                info!(service = %self.service, "icap endpoint up");
            }
            Change::WentDown => {
                self.metrics.endpoints_up.dec();
                self.pool.clear();
                warn!(service = %self.service, "icap endpoint down");
            }
            Change::StartedDown => warn!(service = %self.service, "icap endpoint not up"),
        }
    }

    fn question(&self, asked: &Asked) -> Result<Vec<u8>, AskError> {
        let offer = *locked(&self.offer);
        let Subject { uri, facts } = &*asked.subject;
        let subscriber = facts.subscriber.as_deref();
        let question = ReqmodQuestion {
            service: &self.service,
            uri: uri.as_str(),
            authority: uri.authority(),
            preview: offer.preview,
            client: facts.client.map(|address| address.to_canonical()),
            server: facts.server.map(|address| address.to_canonical()),
            subscriber: subscriber.filter(|_| offer.wants_subscriber),
        };
        let mut bytes = Vec::with_capacity(512);
        question.write(&mut bytes).map_err(|error| {
            debug!(%error, "question cannot be sent");
            AskError::Protocol
        })?;
        Ok(bytes)
    }

    /// Tells the breaker. Answers count as answers even if they say no: else a client could
    /// take the endpoint down with URIs that it does not like.
    fn report(&self, error: Option<AskError>, had: Had) {
        match error {
            None | Some(AskError::Status) => self.health.succeeded(),
            // What was left of the deadline says little about the endpoint.
            Some(AskError::Timeout) if had.to_answer < self.deadline / 2 => {}
            Some(AskError::Connect) if had.to_connect < self.deadline / 8 => {}
            Some(
                AskError::Connect | AskError::Timeout | AskError::Protocol | AskError::Overload,
            ) => self.changed(self.health.failed()),
            Some(AskError::BreakerOpen) => {}
        }
    }
}

impl Limits {
    /// Returns until when waiting in line is worth it. A question that is sent just before its
    /// deadline costs the service a connection, and so would all those that wait behind it.
    fn wait_by(self, deadline: Duration) -> Instant {
        let last = self.answer_by.checked_sub(deadline / TO_ANSWER_SHARES);
        last.map_or(self.connect_by, |last| last.min(self.connect_by))
    }

    fn had(self) -> Had {
        let now = Instant::now();
        Had {
            to_connect: self.connect_by.saturating_duration_since(now),
            to_answer: self.answer_by.saturating_duration_since(now),
        }
    }

    /// Returns what it is when there was no connection in time.
    fn unconnected(self) -> AskError {
        if self.connect_by < self.answer_by {
            AskError::Connect
        } else {
            AskError::Timeout
        }
    }

    /// Returns what it is when no connection was free in time. The question did not leave, so to
    /// those who could ask another it is as if the endpoint were not there.
    fn unserved(self) -> AskError {
        if self.connect_by < self.answer_by {
            AskError::Connect
        } else {
            AskError::Overload
        }
    }
}

/// Counts a question for as long as it lives.
struct Outstanding<'a>(&'a AtomicUsize);

impl<'a> Outstanding<'a> {
    fn count(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Outstanding<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Tidy {
    /// Reads past the rest of the answer, so that the connection can be used again.
    pub(super) async fn finish(self) {
        let after = self.connection.skip(self.skip).await;
        // What was to be skipped is skipped: nothing is left for another round.
        let _: Option<Self> = self.endpoint.settle(after, self.slot);
    }
}

/// Why an exchange failed.
#[derive(Debug)]
enum Failure {
    Late,
    Broken(Broken),
}

impl From<Failure> for AskError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Late => Self::Timeout,
            // Accepted and closed: what a balancer without a server behind it does.
            Failure::Broken(Broken::Silent(_)) => Self::Connect,
            Failure::Broken(Broken::Cut(_) | Broken::Bad(_) | Broken::Continue) => Self::Protocol,
        }
    }
}
