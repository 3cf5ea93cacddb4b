//! The ICAP client: one for the process, asked by every worker through a bounded queue.
//!
//! Each endpoint of a service has an [`endpoint::Endpoint`] with its connections, breaker and
//! ISTag, and a keeper that asks it for its OPTIONS. Equal questions share one exchange
//! ([`flights`]); [`tiers`] says whom to ask, [`attempts`] asks another where one fails or is
//! slow. One deadline covers all of it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use filter::{Answer, AskError};
use service::Drain;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};
use uri::NormalUri;

use self::attempts::Attempts;
use self::endpoint::Endpoint;
use self::flights::{Flights, Lead, Reply};
use self::metrics::IcapMetrics;
use self::tiers::Tiers;
use self::tls::Tls;
pub use self::tls::{IcapTlsError, check_icap_tls};
use crate::config::Icap;
use crate::metrics::Metrics;

mod attempts;
mod backoff;
mod connect;
mod endpoint;
mod exchange;
mod flights;
mod health;
mod keeper;
mod meaning;
pub(crate) mod metrics;
mod pool;
mod tags;
#[cfg(test)]
mod tests;
mod tiers;
mod tls;

/// Questions that wait to be taken up; with more, [`AskError::Overload`] at once.
const QUEUE_LEN_MAX: usize = 1_024;

/// Questions that are being asked; more wait in the queue.
const ASKING_MAX: usize = 1_024;

/// How much later than the deadline an asker stops waiting, so that the reason can reach it.
const DELIVERY_WAIT: Duration = Duration::from_millis(5);

/// How often the end is looked for once a drain was requested.
const DRAIN_LOOK_EVERY: Duration = Duration::from_millis(20);

/// A handle to the process's ICAP client; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct IcapClient {
    queue: mpsc::Sender<(Asked, Reply)>,
    tiers: Arc<Tiers>,
    deadline: Duration,
    metrics: IcapMetrics,
}

/// What the categorizer may learn beside the URI.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct AskFacts {
    /// X-Client-IP.
    pub(crate) client: Option<IpAddr>,
    /// X-Server-IP.
    pub(crate) server: Option<IpAddr>,
    /// X-Subscriber-ID, where the service asks for it.
    pub(crate) subscriber: Option<Box<str>>,
}

/// What the tasks of the client share.
#[derive(Clone, Debug)]
struct Shared {
    tiers: Arc<Tiers>,
    flights: Arc<Flights>,
    generation: Arc<AtomicU64>,
    metrics: IcapMetrics,
}

/// A question on its way.
#[derive(Debug)]
struct Asked {
    subject: Arc<Subject>,
    deadline: Instant,
}

/// All that an answer may depend on: what is equal here is one question.
#[derive(Debug, Eq, Hash, PartialEq)]
struct Subject {
    uri: NormalUri,
    facts: AskFacts,
}

impl IcapClient {
    /// Starts the client's tasks on the current runtime. Adds one to `generation` when an
    /// endpoint's ISTag changes, before the answer that brought the new tag is delivered.
    ///
    /// When `drain` is requested, questions are answered for as long as it counts sessions that
    /// are not the client's own.
    ///
    /// # Errors
    ///
    /// Fails if a file that TLS endpoints need cannot be used.
    pub(crate) fn start(
        config: Icap,
        generation: Arc<AtomicU64>,
        metrics: Arc<Metrics>,
        drain: &Drain,
    ) -> Result<Self, IcapTlsError> {
        let tls = Tls::of_config(&config)?;
        Ok(Self::start_with(
            &config,
            &generation,
            &metrics.icap,
            drain,
            tls,
        ))
    }

    fn start_with(
        config: &Icap,
        generation: &Arc<AtomicU64>,
        metrics: &IcapMetrics,
        drain: &Drain,
        tls: Option<Tls>,
    ) -> Self {
        let endpoint = |service: &_, tls| Endpoint::new(service, config, generation, metrics, tls);
        let tiers = Arc::new(Tiers::new(config, tls.as_ref(), endpoint));
        tiers.keep(drain);
        let (queue, questions) = mpsc::channel(QUEUE_LEN_MAX);
        let shared = Shared {
            tiers: Arc::clone(&tiers),
            flights: Arc::default(),
            generation: Arc::clone(generation),
            metrics: metrics.clone(),
        };
        drain.spawn(dispatch(questions, shared, drain.clone()));
        Self {
            queue,
            tiers,
            deadline: config.deadline,
            metrics: metrics.clone(),
        }
    }

    /// Returns when an answer for a decision that starts now is late.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.deadline
    }

    /// Asks for the categories of one URI, within what is left of the decision's deadline.
    /// Callable from any worker's thread.
    pub(crate) async fn ask(
        &self,
        uri: NormalUri,
        facts: AskFacts,
        deadline: Instant,
    ) -> Result<Answer, AskError> {
        let started = Instant::now();
        let answer = self.ask_uncounted(uri, facts, deadline).await;
        self.metrics.asked(&answer, started.elapsed());
        answer
    }

    /// Asks like [`ask`](Self::ask) for somebody who wants to know, and counts no question.
    pub(crate) async fn ask_uncounted(
        &self,
        uri: NormalUri,
        facts: AskFacts,
        deadline: Instant,
    ) -> Result<Answer, AskError> {
        let (reply, answer) = oneshot::channel();
        let asked = Asked {
            subject: Arc::new(Subject { uri, facts }),
            deadline,
        };
        match self.queue.try_send((asked, reply)) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(AskError::Overload),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(AskError::Connect),
        }
        match timeout_at(deadline + DELIVERY_WAIT, answer).await {
            Ok(Ok(answer)) => answer,
            // The client ended with its drain.
            Ok(Err(_)) => Err(AskError::Connect),
            Err(_) => Err(AskError::Timeout),
        }
    }

    /// Returns whether a configured endpoint is reached by this name and port.
    pub(crate) fn is_at(&self, name: &str, port: u16) -> bool {
        let mut endpoints = self.tiers.endpoints();
        endpoints.any(|endpoint| endpoint.is_at(name, port))
    }

    /// Returns the addresses of the configured endpoints that are known by now, for the list of
    /// places where the proxy will not go.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let known = |endpoint: &Arc<Endpoint>| endpoint.known_addresses();
        self.tiers.endpoints().flat_map(known).collect()
    }
}

/// Takes up questions, each that is new in a task of its own.
async fn dispatch(mut questions: mpsc::Receiver<(Asked, Reply)>, shared: Shared, drain: Drain) {
    let asking = Arc::new(Semaphore::new(ASKING_MAX));
    loop {
        let Ok(permit) = Arc::clone(&asking).acquire_owned().await else {
            return;
        };
        let lead = tokio::select! {
            lead = next(&mut questions, &shared) => lead,
            () = nobody_else(&drain, &asking) => None,
        };
        let Some((lead, reply)) = lead else { return };
        drain.spawn(answer(lead, reply, shared.clone(), permit));
    }
}

/// Returns the next question that no other is being asked for.
async fn next(
    questions: &mut mpsc::Receiver<(Asked, Reply)>,
    shared: &Shared,
) -> Option<(Lead, Reply)> {
    loop {
        let (asked, reply) = questions.recv().await?;
        // Before the question leaves: an answer is never newer than its generation says.
        let generation = shared.generation.load(Ordering::Acquire);
        let lead = (shared.flights).take_up(asked, reply, generation, Instant::now());
        if lead.is_some() {
            return lead;
        }
    }
}

/// Completes when a drain was requested and nobody is left who could ask.
async fn nobody_else(drain: &Drain, asking: &Semaphore) {
    drain.requested().await;
    loop {
        // The permit that the dispatcher holds stands for the dispatcher itself.
        let own = ASKING_MAX - asking.available_permits();
        if drain.open() <= own {
            return;
        }
        sleep(DRAIN_LOOK_EVERY).await;
    }
}

async fn answer(lead: Lead, reply: Reply, client: Shared, _permit: OwnedSemaphorePermit) {
    if lead.is_unwanted(&reply) {
        return;
    }
    let mut attempts = Attempts::new(&client.tiers, &lead.asked, &client.metrics);
    let (answer, tidy) = match attempts.answer().await {
        Ok((answer, tidy)) => (Ok(answer), tidy),
        Err(error) => (Err(error), None),
    };
    let followers = lead.land();
    client.metrics.shared.inc_by(followers.len() as u64);
    // An asker that is gone needs no answer.
    for follower in followers {
        let _ = follower.send(answer.clone());
    }
    let _ = reply.send(answer);
    tokio::join!(attempts.finish(), async {
        if let Some(tidy) = tidy {
            tidy.finish().await;
        }
    });
}
