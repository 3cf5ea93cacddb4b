//! Why a request would be decided as it is, by this gateway and now: `/explain` of the admin
//! endpoint.
//!
//! Nothing here is traffic: no decision is counted or logged, and no cache changes. The sessions,
//! the policy and the categorizer are the gateway's own. Each worker tells what its cache holds,
//! in between its connections.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use filter::{
    Answer, AskError, CachedEntry, Request, Requested, Rules, SessionFacts, Trace, WorkersAsked,
    explain, questions,
};
use policy::RedirectFacts;
use service::admin::{Explain, Explained};
use sessions::{Digits, Session};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout_at;
use uri::NormalUri;

use self::query::{Form, Query};
use crate::judge::{ask_all, facts};
use crate::state::{Live, Shared};
use crate::worker::Worker;

mod query;
#[cfg(test)]
mod tests;

/// Questions that are answered at once; a further one is turned away.
pub(crate) const EXPLAINING_MAX: usize = 2;

/// Questions that wait at a worker: each that is being answered has one.
pub(crate) const LOOKS_WAITING_MAX: usize = EXPLAINING_MAX;

/// How long workers may take to tell what their caches hold.
pub(crate) const WORKERS_WAIT_MAX: Duration = Duration::from_secs(1);

/// How long the categorizer may take, if its own deadline is not sooner.
pub(crate) const ICAP_WAIT_MAX: Duration = Duration::from_secs(10);

/// Answers questions about requests.
#[derive(Debug)]
pub(crate) struct Explainer {
    shared: Arc<Shared>,
    workers: Vec<mpsc::Sender<Look>>,
    turns: Semaphore,
}

/// A question to one worker: what its cache holds of a request.
#[derive(Debug)]
pub(crate) struct Look {
    asked: Arc<Asked>,
    reply: oneshot::Sender<Vec<Option<CachedEntry>>>,
}

/// A request that nobody made, with the rules that it is judged by.
#[derive(Debug)]
struct Asked {
    rules: Rules,
    profile: Option<Arc<str>>,
    requested: Requested,
    /// The address that the client dialled, or that is written as the host.
    destination: Option<IpAddr>,
}

/// Makes the page of the admin endpoint.
pub(crate) fn page(explainer: Explainer) -> Explain {
    let explainer = Arc::new(explainer);
    Arc::new(move |query| {
        let explainer = Arc::clone(&explainer);
        Box::pin(async move { explainer.answer(&query).await })
    })
}

/// Tells what the worker's cache holds, until the worker should stop.
pub(crate) async fn answer_looks(worker: Rc<Worker>, mut looks: mpsc::Receiver<Look>) {
    let next = async {
        while let Some(Look { asked, reply }) = looks.recv().await {
            let filter = worker.filter.borrow();
            let found = filter.peek(&asked.rules, asked.request(), Instant::now());
            drop(filter);
            // Who asked may have left.
            let _ = reply.send(found);
        }
    };
    tokio::select! {
        () = next => {}
        () = worker.drain.requested() => {}
    }
}

impl Explainer {
    /// Creates it for the workers that take these questions.
    pub(crate) fn new(shared: Arc<Shared>, workers: Vec<mpsc::Sender<Look>>) -> Self {
        Self {
            shared,
            workers,
            turns: Semaphore::new(EXPLAINING_MAX),
        }
    }

    /// Answers one question, if there is room for it.
    async fn answer(&self, query: &str) -> Explained {
        let query = match Query::parse(query) {
            Ok(query) => query,
            Err(wrong) => return Explained::Wrong(wrong),
        };
        let Ok(_turn) = self.turns.try_acquire() else {
            let text = format!("{EXPLAINING_MAX} questions are being answered; ask again");
            return Explained::Busy(text);
        };
        let form = query.form;
        match self.trace(query).await {
            Ok(trace) => match form {
                Form::Text => Explained::Text(trace.to_string()),
                // Text and numbers are always JSON.
                Form::Json => {
                    Explained::Json(serde_json::to_string(&trace).unwrap_or_default() + "\n")
                }
            },
            Err(wrong) => Explained::Wrong(wrong),
        }
    }

    async fn trace(&self, query: Query) -> Result<Trace, String> {
        let live = self.shared.live.load_full();
        let policy = &live.content.policy;
        let session = match query.client {
            Some(client) => live.session(client).await,
            None => None,
        };
        let profile = match &query.profile {
            None => live.profile(session.as_deref()).map(Arc::from),
            Some(name) => match policy.profile(name) {
                Some(profile) => Some(Arc::clone(&profile.name)),
                None => return Err(policy.no_profile(name)),
            },
        };
        let asked = Arc::new(Asked {
            rules: self.shared.rules(&live),
            profile,
            destination: query.destination.or_else(|| query.requested.address()),
            requested: query.requested,
        });
        let client = query.client;
        let (caches, answers) = tokio::join!(
            self.look(&asked),
            self.ask(
                &live,
                &asked,
                (client, query.destination),
                session.as_deref()
            ),
        );
        let mut answers = answers.into_iter();
        let explanation = explain(&asked.rules, asked.request(), &mut |_| {
            answers.next().unwrap_or(Err(AskError::Timeout))
        });
        let session = session.as_deref();
        let msisdn = session.and_then(|it| it.msisdn).map(Digits::text);
        let imsi = session.and_then(|it| it.imsi).map(Digits::text);
        let redirect = RedirectFacts {
            msisdn: msisdn.as_deref().unwrap_or_default(),
            imsi: imsi.as_deref().unwrap_or_default(),
            uri: asked.requested.as_received(),
        };
        let (rules, requested) = (&asked.rules, &asked.requested);
        let profile = asked.profile.as_deref();
        let mut trace = Trace::new(rules, profile, requested, &explanation, redirect);
        trace.session = client.map(|client| session_facts(client, session));
        trace.workers = Some(WorkersAsked {
            running: self.workers.len(),
            answered: caches.len(),
        });
        for cache in caches {
            trace.add_cached(cache);
        }
        Ok(trace)
    }

    /// Asks every worker, and returns what those said that answered in time.
    async fn look(&self, asked: &Arc<Asked>) -> Vec<Vec<Option<CachedEntry>>> {
        let until = tokio::time::Instant::now() + WORKERS_WAIT_MAX;
        let mut replies = Vec::with_capacity(self.workers.len());
        for worker in &self.workers {
            let (reply, answer) = oneshot::channel();
            let asked = Arc::clone(asked);
            // A worker whose queue is full is one that does not answer.
            if worker.try_send(Look { asked, reply }).is_ok() {
                replies.push(answer);
            }
        }
        let mut found = Vec::with_capacity(replies.len());
        for reply in replies {
            if let Ok(Ok(entries)) = timeout_at(until, reply).await {
                found.push(entries);
            }
        }
        found
    }

    /// Asks the categorizer what the profile needs to know.
    async fn ask(
        &self,
        live: &Live,
        asked: &Asked,
        (client, server): (Option<IpAddr>, Option<IpAddr>),
        session: Option<&Session>,
    ) -> Vec<Result<Answer, AskError>> {
        let uris = questions(&asked.rules, asked.request());
        let Some(icap) = &self.shared.icap else {
            return vec![Err(AskError::Connect); uris.len()];
        };
        let until = tokio::time::Instant::now() + ICAP_WAIT_MAX;
        let until = until.min(icap.deadline());
        let facts = facts(live, client, server, session);
        let ask = |uri: &NormalUri| icap.ask_uncounted(uri.clone(), facts.clone(), until);
        ask_all(&uris, until, ask).await
    }
}

impl Asked {
    fn request(&self) -> Request<'_> {
        Request {
            profile: self.profile.as_deref(),
            target: self.requested.target(),
            destination: self.destination,
        }
    }
}

fn session_facts(client: IpAddr, session: Option<&Session>) -> SessionFacts {
    let digits = |fact: Option<Digits>| Some(str::to_owned(&fact?.text()));
    SessionFacts {
        client: client.to_string(),
        known: session.is_some(),
        msisdn: digits(session.and_then(|it| it.msisdn)),
        imsi: digits(session.and_then(|it| it.imsi)),
        apn: session.and_then(|it| Some(it.apn.as_deref()?.to_owned())),
    }
}
