use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use filter::Filter;
use icap::{Body, BodyReader, Fed, Method, Request, RequestReader, Status, empty_lines_len};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tracing::debug;

use self::reply::{Answer, Written};
use crate::content::Loaded;
use crate::date::Date;
use crate::metrics::{Admission, End};
use crate::verdict;
use crate::wire::{Ended, LINGER_DEADLINE, Wire};
use crate::worker::Shared;

mod body;
mod reply;

/// How long a connection may be without a request. ICAP clients should give theirs up sooner, so
/// that none is closed while a request is on its way.
pub const IDLE_MAX: Duration = Duration::from_secs(60);

/// How long a request may take from its first byte to the end of its heads.
pub const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// How long nothing may move while a body is read or an answer is sent.
pub const BODY_STALL: Duration = Duration::from_secs(30);

/// Bytes of a body, as sent, that are read only to be dropped. A longer one costs less as a
/// closed connection.
pub const BODY_LEN_MAX: usize = 64 * 1024 * 1024;

/// Bytes of a body on their way back to the ICAP client at which reading stops.
pub const COPY_WINDOW: usize = 64 * 1024;

/// Bytes of answers that are gathered before they are sent.
pub const OUTPUT_LEN_MAX: usize = 64 * 1024;

/// One connection of an ICAP client.
pub(crate) struct Connection<S> {
    wire: Wire<S>,
    reader: RequestReader,
    shared: Arc<Shared>,
    admission: Admission,
    engine: Filter,
    date: Date,
    /// Why the answer that was written last said that no other follows, if it did.
    last: Option<End>,
    stop: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn new(stream: S, shared: Arc<Shared>, admission: Admission) -> Self {
        let drain = shared.drain.clone();
        Self {
            wire: Wire::new(stream),
            reader: RequestReader::default(),
            shared,
            admission,
            engine: verdict::engine(),
            date: Date::default(),
            last: None,
            stop: Box::pin(async move { drain.requested().await }),
        }
    }

    /// Answers requests until the connection ends.
    pub(crate) async fn serve(&mut self) -> End {
        let end = loop {
            if let Err(end) = self.exchange().await {
                break end;
            }
        };
        self.finish(end).await;
        end
    }

    /// Sends what is left to be sent, and lets it arrive.
    async fn finish(&mut self, end: End) {
        let nothing_under_way = end == End::Drained && self.last.is_none();
        if nothing_under_way || matches!(end, End::Failed | End::Idle) {
            return;
        }
        // The end is the same if the last answer does not arrive any more.
        if self.wire.flush(LINGER_DEADLINE).await.is_ok() {
            self.wire.linger().await;
        }
    }

    /// Answers one request and reads past its body. Err: it was the last.
    async fn exchange(&mut self) -> Result<(), End> {
        let request = self.request().await?;
        let start = Instant::now();
        let loaded = Arc::clone(&self.shared.loaded.load());
        let service = loaded.service(&request.service);
        if self.admission != Admission::Admitted {
            return Err(self.refuse(&loaded, &request, service));
        }
        let Some(service) = service else {
            return Err(self.fail(Status::NotFound, &request, None, &loaded));
        };
        match request.method {
            Method::Respmod => {
                let status = Status::MethodNotAllowed;
                return Err(self.fail(status, &request, Some(service), &loaded));
            }
            Method::Options if loaded.lacks_profile(service, &request.service) => {
                return Err(self.fail(Status::NotFound, &request, Some(service), &loaded));
            }
            Method::Options => {
                self.offer(&loaded, service, &request);
                self.shared.metrics.took(start.elapsed());
                self.skip(&mut BodyReader::new(request.body)).await?;
            }
            Method::Reqmod => {
                let answer = match self.judge(&loaded, service, &request) {
                    Ok(answer) => answer,
                    Err(status) => return Err(self.fail(status, &request, Some(service), &loaded)),
                };
                self.shared.metrics.took(start.elapsed());
                self.modify(&loaded, &request, &answer).await?;
            }
        }
        if self.wire.output.len() >= OUTPUT_LEN_MAX {
            self.flush().await?;
        }
        match self.last {
            Some(end) => Err(end),
            None => Ok(()),
        }
    }

    /// Reads the next request up to its body.
    async fn request(&mut self) -> Result<Box<Request>, End> {
        self.request_start().await?;
        let deadline = Instant::now() + HEAD_DEADLINE;
        loop {
            match self.reader.feed(self.wire.input.rest()) {
                Fed::Request(request, used) => {
                    self.wire.input.advance(used);
                    return Ok(request);
                }
                Fed::Bad(bad) => {
                    debug!(error = %bad, "bad request");
                    return Err(self.reject(bad.status()));
                }
                Fed::NeedMore => {}
            }
            self.flush().await?;
            match self.wire.read(deadline).await {
                Ok(()) => {}
                Err(Ended::TimedOut) => {
                    self.reject(Status::RequestTimeout);
                    return Err(End::Slow);
                }
                Err(ended) => return Err(ended.into()),
            }
        }
    }

    /// Waits for the first byte of a request. Empty lines are none, and a connection with nothing
    /// else is idle.
    async fn request_start(&mut self) -> Result<(), End> {
        let mut idle_end = None;
        loop {
            let skipped = empty_lines_len(self.wire.input.rest());
            self.wire.input.advance(skipped);
            if !matches!(self.wire.input.rest(), [] | [b'\r']) {
                return Ok(());
            }
            self.flush().await?;
            let idle_end = *idle_end.get_or_insert_with(|| Instant::now() + IDLE_MAX);
            let stop = self.stop.as_mut();
            match self.wire.read_or(idle_end, stop).await {
                Ok(()) => {}
                Err(Ended::TimedOut) => return Err(End::Idle),
                Err(ended) => return Err(ended.into()),
            }
        }
    }

    /// Answers a REQMOD and reads past its body, or sends that back.
    async fn modify(
        &mut self,
        loaded: &Loaded,
        request: &Request,
        answer: &Answer,
    ) -> Result<(), End> {
        let mut body = BodyReader::new(request.body);
        if let Body::Preview(_) = request.body {
            // The client sends its preview before it looks for an answer, and some lose track of
            // one that comes sooner.
            if let Err(end) = self.skip(&mut body).await {
                let status = match end {
                    End::BadRequest => Some(Status::BadRequest),
                    End::Slow => Some(Status::RequestTimeout),
                    End::Client | End::Idle | End::Refused | End::Drained | End::Failed => None,
                };
                if let Some(status) = status {
                    self.fail(status, request, Some(answer.service()), loaded);
                }
                return Err(end);
            }
        }
        match (self.write(loaded, request, answer), request.body) {
            // What the client did not show it keeps.
            (_, Body::None | Body::Preview(_)) => Ok(()),
            (Written::Whole, Body::Whole) => self.skip(&mut body).await,
            (Written::CopyOfHead, Body::Whole) => self.copy(&mut body).await,
        }
    }

    async fn flush(&mut self) -> Result<(), End> {
        Ok(self.wire.flush(BODY_STALL).await?)
    }
}

impl From<Ended> for End {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Closed => Self::Client,
            Ended::TimedOut => Self::Slow,
            Ended::Drained => Self::Drained,
            Ended::Failed => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests;
