use std::pin::Pin;
use std::sync::Arc;

use filter::Filter;
use icap::{Body, BodyReader, Fed, Method, Request, RequestReader, Status, empty_lines_len};
use prometheus_client::metrics::counter::Counter;
use service::Said;
use sessions::Reported;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tracing::debug;

use self::body::Skipped;
use self::reply::{Answer, Written};
use crate::config::Limits;
use crate::content::{Service, Stamps};
use crate::date::Date;
use crate::metrics::{Admission, End, RequestLabels};
use crate::verdict;
use crate::wire::{Ended, LINGER_DEADLINE, Wire};
use crate::worker::Shared;

mod body;
mod reply;

/// Bytes of a body on their way back to the ICAP client at which reading stops.
pub const COPY_WINDOW: usize = 64 * 1024;

/// Bytes of answers that are gathered before they are sent.
pub const OUTPUT_LEN_MAX: usize = 64 * 1024;

/// One connection of an ICAP client.
pub(crate) struct Connection<S> {
    wire: Wire<S>,
    reader: RequestReader,
    shared: Arc<Shared>,
    limits: Limits,
    admission: Admission,
    engine: Filter,
    date: Date,
    /// The counter that was used last: most answers of a connection are counted alike.
    counted: Option<(RequestLabels, Counter)>,
    /// Why the answer that was written last said that no other follows, if it did.
    last: Option<End>,
    stop: Said,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn new(stream: S, shared: Arc<Shared>, admission: Admission) -> Self {
        let stop = shared.drain.requested();
        let limits = shared.settings.load().limits;
        Self {
            wire: Wire::new(stream),
            reader: RequestReader::new(limits.request),
            shared,
            limits,
            admission,
            engine: verdict::engine(),
            date: Date::default(),
            counted: None,
            last: None,
            stop,
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
        if nothing_under_way || matches!(end, End::Failed | End::Idle | End::Handshake) {
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
        let reported = self.reported(&request).await;
        let (stamps, answer) = self.answer(&request, reported)?;
        match answer {
            Some(answer) => self.modify(&stamps, &request, &answer).await?,
            None => {
                let mut body = BodyReader::within(request.body, self.limits.request.chunks);
                if self.skip(&mut body, self.limits.read_over_len_max).await? == Skipped::TooLong {
                    return Err(End::Refused);
                }
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

    /// Asks who the client of a request for `/filter` is. What a reload replaces is not held
    /// meanwhile.
    async fn reported(&self, request: &Request) -> Reported {
        let asking = {
            let loaded = self.shared.loaded.load();
            match (loaded.service(&request.service), request.client_ip) {
                (Some(Service::Filter), Some(client)) if self.admission == Admission::Admitted => {
                    loaded.sessions.ask(client)
                }
                _ => return Ok(None),
            }
        };
        asking.answer().await
    }

    /// Finds the answer to a REQMOD; None: an OPTIONS, which is answered. What a reload replaces
    /// is let go before anything is waited for.
    fn answer(
        &mut self,
        request: &Request,
        reported: Reported,
    ) -> Result<(Arc<Stamps>, Option<Answer>), End> {
        let start = Instant::now();
        let loaded = self.shared.loaded.load();
        let stamps = Arc::clone(&loaded.stamps);
        let service = loaded.service(&request.service);
        if self.admission != Admission::Admitted {
            return Err(self.refuse(&stamps, request, service));
        }
        let Some(service) = service else {
            return Err(self.fail(Status::NotFound, request, None, &stamps));
        };
        let answer = match request.method {
            Method::Respmod => Err(Status::MethodNotAllowed),
            Method::Options if loaded.lacks_profile(service, &request.service) => {
                Err(Status::NotFound)
            }
            Method::Options => {
                self.offer(&stamps, service, request);
                Ok(None)
            }
            Method::Reqmod => self.judge(&loaded, (service, reported), request).map(Some),
        };
        match answer {
            Ok(answer) => {
                self.shared.metrics.took(start.elapsed());
                Ok((stamps, answer))
            }
            Err(status) => Err(self.fail(status, request, Some(service), &stamps)),
        }
    }

    /// Reads the next request up to its body.
    async fn request(&mut self) -> Result<Box<Request>, End> {
        self.request_start().await?;
        let mut deadline = None;
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
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.limits.head);
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
            let idle_end = *idle_end.get_or_insert_with(|| Instant::now() + self.limits.idle);
            let stop = Pin::new(&mut self.stop);
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
        stamps: &Stamps,
        request: &Request,
        answer: &Answer,
    ) -> Result<(), End> {
        let mut body = BodyReader::within(request.body, self.limits.request.chunks);
        let mut skipped = Skipped::Whole;
        if let Body::Preview(_) = request.body {
            // The client sends its preview before it looks for an answer, and some lose track of
            // one that comes sooner. What is longer than any preview should be gets it all the
            // same.
            let read = self.skip(&mut body, self.limits.preview_len_max).await;
            skipped = match read {
                Ok(skipped) => skipped,
                Err(end) => return Err(self.give_up(end, stamps, request, answer)),
            };
        }
        let len_max = self.limits.read_over_len_max;
        match (self.write(stamps, request, answer), request.body) {
            // What the client did not show it keeps.
            (_, Body::None) => Ok(()),
            (_, Body::Preview(_)) if skipped == Skipped::Whole => Ok(()),
            (Written::Whole, Body::Whole) | (_, Body::Preview(_)) => {
                match self.skip(&mut body, len_max).await? {
                    Skipped::Whole => Ok(()),
                    Skipped::TooLong => Err(End::Refused),
                }
            }
            (Written::CopyOfHead, Body::Whole) => self.copy(&mut body).await,
        }
    }

    /// Answers a request whose preview does not come, or is none.
    fn give_up(&mut self, end: End, stamps: &Stamps, request: &Request, answer: &Answer) -> End {
        let status = match end {
            End::BadRequest => Some(Status::BadRequest),
            End::Slow => Some(Status::RequestTimeout),
            End::Client
            | End::Idle
            | End::Handshake
            | End::Refused
            | End::Drained
            | End::Failed => None,
        };
        if let Some(status) = status {
            self.fail(status, request, Some(answer.service()), stamps);
        }
        end
    }

    async fn flush(&mut self) -> Result<(), End> {
        Ok(self.wire.flush(self.limits.stall).await?)
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
