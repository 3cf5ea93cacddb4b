//! The admin API for sessions: what an operator asks about them, and says of them.
//!
//! The document of it is docs/openapi.yaml, which a test holds against the running program.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use ipnet::IpNet;
use service::admin::{Route, is_asked_here};
use sessions::{Applied, Change, Page, Unavailable};
use tokio::time::timeout;
use tracing::debug;

use crate::Subscribers;
use crate::metrics::Metrics;

mod answer;
mod asked;
mod outcome;
mod refusal;
mod token;
mod written;

pub use asked::COUNT_DEFAULT;
pub use token::{BadTokens, TOKEN_LEN_MAX, TOKEN_LEN_MIN, TOKENS_MAX, Tokens, first};
pub use written::APN_LEN_MAX;

pub(crate) use outcome::Outcome;

use asked::{Asked, Subject};
use refusal::{Late, Refusal};
use token::Right;

/// The path of the list; each session has its own below it.
pub const PATH: &str = "/sessions";

/// Bytes of a body at most. A session has much fewer.
pub const BODY_LEN_MAX: usize = 4_096;

/// Bytes of a body that is refused or not needed that are read nevertheless, so that the answer
/// is not lost with the connection.
pub const READ_OVER_MAX: usize = 1 << 20;

/// How long a body may take.
pub const BODY_DEADLINE: Duration = Duration::from_secs(5);

/// How long a body that is not needed may take.
pub const READ_OVER_DEADLINE: Duration = Duration::from_secs(1);

/// How long the store may take. The change may come in force later.
pub const STORE_DEADLINE: Duration = Duration::from_secs(5);

/// Finds a profile of the policy in force; fails with the names that there are.
pub type Profiles = Arc<dyn Fn(&str) -> Result<Arc<str>, String> + Send + Sync>;

/// What is asked and changed, by whom, and with which profiles.
pub struct Api {
    subscribers: Arc<Subscribers>,
    metrics: Arc<Metrics>,
    access: ArcSwap<Access>,
}

/// What a reload replaces.
pub struct Access {
    /// Who may ask.
    pub tokens: Tokens,
    /// Which profiles a session may be given.
    pub profiles: Profiles,
}

impl Api {
    /// Creates the API.
    #[must_use]
    pub fn new(
        subscribers: &Arc<Subscribers>,
        metrics: &Arc<Metrics>,
        access: Access,
    ) -> Arc<Self> {
        Arc::new(Self {
            subscribers: Arc::clone(subscribers),
            metrics: Arc::clone(metrics),
            access: ArcSwap::from_pointee(access),
        })
    }

    /// Puts other tokens and profiles in force, for requests that come later.
    pub fn reload(&self, access: Access) {
        self.access.store(Arc::new(access));
    }

    /// Returns what an admin endpoint is given.
    #[must_use]
    pub fn route(self: &Arc<Self>) -> Route {
        let api = Arc::clone(self);
        Route {
            path: PATH,
            answer: Arc::new(move |request| {
                let api = Arc::clone(&api);
                Box::pin(async move { api.answer(request).await })
            }),
        }
    }

    /// Answers a request, and counts it.
    async fn answer<B: Body<Data = Bytes> + Unpin>(
        &self,
        request: Request<B>,
    ) -> Response<Full<Bytes>> {
        let (head, mut body) = request.into_parts();
        let (outcome, response) = match self.answered(&head, &mut body).await {
            Ok((outcome, response)) => (outcome, response),
            Err(refusal) => (refusal.outcome(), answer::problem(&refusal)),
        };
        debug!(outcome = outcome.as_str(), method = %head.method, path = head.uri.path(), "sessions");
        self.metrics.asked(outcome);
        // Who waits to be told to send it is told to stop.
        if !head.headers.contains_key(EXPECT) {
            let rest = read(&mut body, READ_OVER_MAX);
            // The answer is the same whatever comes.
            let _ = timeout(READ_OVER_DEADLINE, rest).await;
        }
        response
    }

    async fn answered<B: Body<Data = Bytes> + Unpin>(
        &self,
        head: &Parts,
        body: &mut B,
    ) -> Result<(Outcome, Response<Full<Bytes>>), Refusal> {
        if !is_asked_here(&head.headers) {
            return Err(Refusal::Elsewhere);
        }
        let access = self.access.load_full();
        let right = access.tokens.admit(&head.headers)?;
        let subject = Subject::of(head.uri.path())?;
        let asked = Asked::new(&head.method, subject, head.uri.query())?;
        match (asked, right) {
            (Asked::Put(_) | Asked::Delete(_), Right::Read) => Err(Refusal::ReadOnly),
            (Asked::Page { from, count }, _) => self.page(from, count).await,
            (Asked::Client(client), _) => self.behind(client).await,
            (Asked::Get(range), _) => self.get(range).await,
            (Asked::Put(range), Right::Change) => {
                let bytes = whole(&head.headers, body).await?;
                let assignment = written::assignment(&bytes, &access.profiles)?;
                self.change(Change::Assign(range, assignment), range).await
            }
            (Asked::Delete(range), Right::Change) => {
                self.change(Change::Remove(range), range).await
            }
        }
    }

    async fn page(
        &self,
        from: Option<u64>,
        count: usize,
    ) -> Result<(Outcome, Response<Full<Bytes>>), Refusal> {
        let page = self.subscribers.store().page(from, count);
        let page = in_time(page).await?.map_err(Refusal::from)?;
        Ok((Outcome::Read, answer::page(&page)))
    }

    /// Finds the session of the longest range, as a request of the client does.
    async fn behind(
        &self,
        client: std::net::IpAddr,
    ) -> Result<(Outcome, Response<Full<Bytes>>), Refusal> {
        let found = self.subscribers.store().behind(client).answer();
        let found = in_time(found).await?.map_err(Refusal::from)?;
        let page = Page {
            sessions: found.into_iter().collect(),
            next: None,
        };
        Ok((Outcome::Read, answer::page(&page)))
    }

    async fn get(&self, range: IpNet) -> Result<(Outcome, Response<Full<Bytes>>), Refusal> {
        let found = self.subscribers.store().get(range);
        let found = in_time(found).await?.map_err(Refusal::from)?;
        let record = found.ok_or(Refusal::Unknown(range))?;
        Ok((Outcome::Read, answer::session(StatusCode::OK, &record)))
    }

    async fn change(
        &self,
        change: Change,
        range: IpNet,
    ) -> Result<(Outcome, Response<Full<Bytes>>), Refusal> {
        let effect = timeout(STORE_DEADLINE, self.subscribers.change(change)).await;
        match effect.map_err(|_| Refusal::Late(Late::Change))??.applied {
            Applied::Opened(record) => Ok((
                Outcome::Opened,
                answer::session(StatusCode::CREATED, &record),
            )),
            Applied::Changed(record) => {
                Ok((Outcome::Changed, answer::session(StatusCode::OK, &record)))
            }
            Applied::Closed(_) => Ok((Outcome::Closed, answer::nothing())),
            Applied::Switched | Applied::Stale | Applied::Unknown => Err(Refusal::Unknown(range)),
        }
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

/// Waits for the store.
async fn in_time<T>(asking: impl Future<Output = T>) -> Result<T, Refusal> {
    let answer = timeout(STORE_DEADLINE, asking).await;
    answer.map_err(|_| Refusal::Late(Late::Question))
}

impl From<Unavailable> for Refusal {
    fn from(_: Unavailable) -> Self {
        Self::Late(Late::Question)
    }
}

/// Reads the JSON of a request.
async fn whole<B: Body<Data = Bytes> + Unpin>(
    headers: &HeaderMap,
    body: &mut B,
) -> Result<Vec<u8>, Refusal> {
    let kind = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let kind = kind.and_then(|it| it.split(';').next()).unwrap_or_default();
    if !kind.trim().eq_ignore_ascii_case("application/json")
        || headers.contains_key(CONTENT_ENCODING)
    {
        return Err(Refusal::Media);
    }
    // Who waits to be told to send it is not.
    if body.size_hint().lower() > BODY_LEN_MAX as u64 {
        return Err(Refusal::TooLong);
    }
    let read = timeout(BODY_DEADLINE, read(body, BODY_LEN_MAX)).await;
    read.map_err(|_| Refusal::SlowBody)?
}

/// Reads at most so many bytes.
async fn read<B: Body<Data = Bytes> + Unpin>(
    body: &mut B,
    len_max: usize,
) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::BrokenBody)?;
        let chunk = frame.into_data().unwrap_or_default();
        if bytes.len() + chunk.len() > len_max {
            return Err(Refusal::TooLong);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
