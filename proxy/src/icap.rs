//! The ICAP client: one for the process, asked by every worker through a bounded queue.
//!
//! Each service has an [`endpoint::Endpoint`] with its connections, breaker and ISTag,
//! and a keeper that asks it for its OPTIONS. A question goes to the services in order until one
//! answers; one deadline covers all of it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use filter::{Answer, AskError};
use service::Drain;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};
use uri::NormalUri;

use self::connect::Tls;
use self::endpoint::{Endpoint, Tidy};
use self::metrics::IcapMetrics;
use crate::config::Icap;
use crate::metrics::Metrics;

mod backoff;
mod connect;
mod endpoint;
mod exchange;
mod health;
mod keeper;
mod meaning;
pub(crate) mod metrics;
mod pool;
mod tags;
#[cfg(test)]
mod tests;

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
    queue: mpsc::Sender<Asked>,
    endpoints: Arc<[Arc<Endpoint>]>,
    deadline: Duration,
    metrics: IcapMetrics,
}

/// What the categorizer may learn beside the URI.
#[derive(Clone, Debug, Default)]
pub(crate) struct AskFacts {
    /// X-Client-IP.
    pub(crate) client: Option<IpAddr>,
    /// X-Server-IP.
    pub(crate) server: Option<IpAddr>,
    /// X-Subscriber-ID, where the service asks for it.
    pub(crate) subscriber: Option<Box<str>>,
}

/// A question on its way.
#[derive(Debug)]
struct Asked {
    uri: NormalUri,
    facts: AskFacts,
    deadline: Instant,
    reply: oneshot::Sender<Result<Answer, AskError>>,
}

impl IcapClient {
    /// Starts the client's tasks on the current runtime. Adds one to `generation` when an
    /// endpoint's ISTag changes, before the answer that brought the new tag is delivered.
    ///
    /// When `drain` is requested, questions are answered for as long as it counts sessions that
    /// are not the client's own.
    pub(crate) fn start(
        config: Icap,
        generation: Arc<AtomicU64>,
        metrics: Arc<Metrics>,
        drain: &Drain,
    ) -> Self {
        let tls = Tls::of_system(&config.services);
        Self::start_with(&config, &generation, &metrics.icap, drain, tls)
    }

    fn start_with(
        config: &Icap,
        generation: &Arc<AtomicU64>,
        metrics: &IcapMetrics,
        drain: &Drain,
        tls: Option<Tls>,
    ) -> Self {
        let endpoints: Arc<[_]> = config
            .services
            .iter()
            .filter_map(|service| Endpoint::new(service, config, generation, metrics, tls.clone()))
            .map(Arc::new)
            .collect();
        for endpoint in endpoints.iter() {
            drain.spawn(keeper::keep(Arc::clone(endpoint), drain.clone()));
        }
        let (queue, questions) = mpsc::channel(QUEUE_LEN_MAX);
        drain.spawn(dispatch(questions, Arc::clone(&endpoints), drain.clone()));
        Self {
            queue,
            endpoints,
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
        let answer = self.ask_by(deadline, uri, facts).await;
        self.metrics.asked(&answer, started.elapsed());
        answer
    }

    async fn ask_by(
        &self,
        deadline: Instant,
        uri: NormalUri,
        facts: AskFacts,
    ) -> Result<Answer, AskError> {
        let (reply, answer) = oneshot::channel();
        let asked = Asked {
            uri,
            facts,
            deadline,
            reply,
        };
        match self.queue.try_send(asked) {
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
        let mut endpoints = self.endpoints.iter();
        endpoints.any(|endpoint| endpoint.is_at(name, port))
    }

    /// Returns the addresses of the configured endpoints that are known by now, for the list of
    /// places where the proxy will not go.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let known = |endpoint: &Arc<Endpoint>| endpoint.known_addresses();
        self.endpoints.iter().flat_map(known).collect()
    }
}

/// Takes up questions, each in a task of its own.
async fn dispatch(
    mut questions: mpsc::Receiver<Asked>,
    endpoints: Arc<[Arc<Endpoint>]>,
    drain: Drain,
) {
    let asking = Arc::new(Semaphore::new(ASKING_MAX));
    loop {
        let Ok(permit) = Arc::clone(&asking).acquire_owned().await else {
            return;
        };
        let asked = tokio::select! {
            asked = questions.recv() => asked,
            () = nobody_else(&drain, &asking) => None,
        };
        let Some(asked) = asked else { return };
        drain.spawn(answer(asked, Arc::clone(&endpoints), permit));
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

async fn answer(asked: Asked, endpoints: Arc<[Arc<Endpoint>]>, _permit: OwnedSemaphorePermit) {
    if asked.reply.is_closed() {
        return;
    }
    let (answer, tidy) = match ask_in_order(&endpoints, &asked).await {
        Ok((answer, tidy)) => (Ok(answer), tidy),
        Err(error) => (Err(error), None),
    };
    // An asker that is gone needs no answer.
    let _ = asked.reply.send(answer);
    if let Some(tidy) = tidy {
        tidy.finish().await;
    }
}

/// Asks the services in order. The next one is asked if there was no connection, if the service
/// is overloaded, or if it failed too often of late.
async fn ask_in_order(
    endpoints: &[Arc<Endpoint>],
    asked: &Asked,
) -> Result<(Answer, Option<Tidy>), AskError> {
    let mut last = AskError::Connect;
    for (at, endpoint) in endpoints.iter().enumerate() {
        if Instant::now() >= asked.deadline {
            return Err(if at == 0 { AskError::Overload } else { last });
        }
        let others = endpoints.len() - at - 1;
        match endpoint.ask(asked, others).await {
            Ok(answered) => return Ok(answered),
            Err(error @ (AskError::Connect | AskError::Overload | AskError::BreakerOpen)) => {
                last = error;
            }
            Err(error @ (AskError::Timeout | AskError::Protocol | AskError::Status)) => {
                return Err(error);
            }
        }
    }
    Err(last)
}
