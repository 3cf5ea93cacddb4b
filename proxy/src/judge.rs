//! From a request to a decision: session, profile, filter, categorizer.

use std::future::Future;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use filter::{
    Answer, AskError, Binding, Decision, Protocol, Question, Request, Rules, Source, Step, Target,
};
use sessions::{Digits, Known, Session};
use uri::NormalUri;

use crate::config::SendSubscriber;
use crate::connection::Connection;
use crate::icap::AskFacts;
use crate::sni_check::Check;
use crate::state::Live;
use crate::worker::Worker;

/// Questions about one request that are out at the same time. A path with many readings takes
/// several rounds within the one deadline.
pub(crate) const ASKED_AT_ONCE_MAX: usize = 8;

/// A decision with what enforcement and the access log need beside it.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) decision: Decision,
    pub(crate) session: Option<Known>,
    /// From the request to the decision.
    pub(crate) took: Duration,
    /// Of it, waiting for the categorizer.
    pub(crate) icap_took: Option<Duration>,
    /// Whether the name leads to the address dialled, where that is to be known.
    pub(crate) check: Option<Rc<Check>>,
}

impl Judged {
    /// Returns what DNS said of name and address, if that was to be known and is.
    pub(crate) fn binding(&self) -> Option<Binding> {
        self.check.as_ref()?.binding()
    }
}

impl Worker {
    /// Judges one request of a connection and counts the decision. Never takes longer than the
    /// ICAP deadline, and that of DNS where a pass needs it.
    ///
    /// Session and profile are those of this moment; policy and settings are those of the moment
    /// of the decision.
    pub(crate) async fn judge(
        self: &Rc<Self>,
        connection: &Connection,
        protocol: Protocol,
        target: Target<'_>,
    ) -> Judged {
        let started = Instant::now();
        let live = self.shared.live.load_full();
        let session = live.session(connection.client.ip()).await;
        let requested = match target {
            Target::Uri(readings) | Target::Doubtful(readings, _) => Some(readings),
            Target::Undecidable(_) => None,
        };
        let request = Request {
            profile: live.profile(session.as_deref()),
            target,
            destination: connection.bypass_address(requested),
        };
        let rules = self.shared.rules(&live);
        let step = self.filter.borrow_mut().begin(&rules, request, started);
        let (decision, rules, icap_took) = match step {
            Step::Decided(decision) => (decision, rules, None),
            Step::Ask(question) => {
                let server = connection.original_destination();
                let server = server.map(|address| address.ip());
                let facts = facts(
                    &live,
                    Some(connection.client.ip()),
                    server,
                    session.as_deref(),
                );
                let (decision, rules, waited) = self.decide_with_answers(question, facts).await;
                (decision, rules, Some(waited))
            }
        };
        let (decision, check) = self
            .check(connection, requested, decision, &rules.policy)
            .await;
        let took = started.elapsed();
        self.count_cached();
        self.shared.metrics.decided(&decision, Some(protocol), took);
        Judged {
            decision,
            session,
            took,
            icap_took,
            check,
        }
    }

    /// Passes a connection whose bytes are not looked at, and counts the decision.
    pub(crate) fn pass_unjudged(&self, source: Source, session: Option<Known>) -> Judged {
        let decision = Decision {
            source,
            ..Decision::unfiltered()
        };
        let took = Duration::ZERO;
        self.shared.metrics.decided(&decision, None, took);
        Judged {
            decision,
            session,
            took,
            icap_took: None,
            check: None,
        }
    }

    /// Asks the categorizer and decides under the rules in force when it has answered.
    async fn decide_with_answers(
        &self,
        question: Question,
        facts: AskFacts,
    ) -> (Decision, Rules, Duration) {
        let asked = Instant::now();
        let answers = self.ask(&question, &facts).await;
        let now = Instant::now();
        let rules = self.shared.rules(&self.shared.live.load());
        let decision = self
            .filter
            .borrow_mut()
            .finish(&rules, question, answers, now);
        (decision, rules, now.duration_since(asked))
    }

    /// Brings the count of cache entries of all workers up to date with this one's.
    fn count_cached(&self) {
        let entries = self.filter.borrow().cached_entries();
        let entries = i64::try_from(entries).unwrap_or(i64::MAX);
        let change = entries - self.cached_entries.replace(entries);
        if change != 0 {
            self.shared.metrics.cache_entries.inc_by(change);
        }
    }

    /// Asks about every reading, a few at a time so that one request cannot fill the queue;
    /// answers come in the order of the readings.
    async fn ask(&self, question: &Question, facts: &AskFacts) -> Vec<Result<Answer, AskError>> {
        let Some(icap) = &self.shared.icap else {
            // A profile asks for categories and no service is configured; `check` reports it.
            return vec![Err(AskError::Connect); question.uris().len()];
        };
        let until = icap.deadline();
        let ask = |uri: &NormalUri| icap.ask(uri.clone(), facts.clone(), until);
        ask_all(question.uris(), until, ask).await
    }
}

/// Asks about every reading, [`ASKED_AT_ONCE_MAX`] at a time; answers come in their order.
pub(crate) async fn ask_all<F>(
    uris: &[NormalUri],
    until: tokio::time::Instant,
    ask: impl Fn(&NormalUri) -> F,
) -> Vec<Result<Answer, AskError>>
where
    F: Future<Output = Result<Answer, AskError>>,
{
    let mut answers = Vec::with_capacity(uris.len());
    for uris in uris.chunks(ASKED_AT_ONCE_MAX) {
        if tokio::time::Instant::now() >= until {
            answers.extend(uris.iter().map(|_| Err(AskError::Timeout)));
            continue;
        }
        answers.extend(join_all(uris.iter().map(&ask)).await);
    }
    answers
}

/// Waits for all of a few futures, on one task.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, output) in &mut waiting {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(ready) => *output = Some(ready),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    waiting
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}

/// Returns what the categorizer may learn beside the URI.
pub(crate) fn facts(
    live: &Live,
    client: Option<IpAddr>,
    server: Option<IpAddr>,
    session: Option<&Session>,
) -> AskFacts {
    let send = live.config.icap.as_ref().map(|icap| icap.send_subscriber);
    let subscriber = match send {
        None | Some(SendSubscriber::Never) => None,
        Some(SendSubscriber::Msisdn) => session.and_then(|session| session.msisdn),
        Some(SendSubscriber::Imsi) => session.and_then(|session| session.imsi),
    };
    AskFacts {
        client,
        server,
        subscriber: subscriber.map(|digits: Digits| Box::from(&*digits.text())),
    }
}
