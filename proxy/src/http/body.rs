//! The bodies that pass through, in both directions.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::record::Record;

/// The body of an answer.
#[derive(Debug)]
pub(super) struct AnswerBody {
    content: Content,
    /// Written when the body is at its end, or given up.
    record: Option<Record>,
}

#[derive(Debug)]
enum Content {
    /// Ours.
    Text(Option<Bytes>),
    /// The origin's.
    Origin(Incoming),
}

impl AnswerBody {
    /// Returns a body that is at hand.
    pub(super) fn text(text: Bytes) -> Self {
        Self {
            content: Content::Text(Some(text).filter(|text| !text.is_empty())),
            record: None,
        }
    }

    /// Returns a body that comes from the origin.
    pub(super) fn origin(body: Incoming) -> Self {
        Self {
            content: Content::Origin(body),
            record: None,
        }
    }

    /// Keeps the record until the body is at its end.
    pub(super) fn with_record(mut self, record: Record) -> Self {
        self.record = Some(record);
        self
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = match &mut self.content {
            Content::Text(text) => text.take().map(|text| Ok(Frame::data(text))),
            Content::Origin(body) => ready!(Pin::new(body).poll_frame(cx)),
        };
        if let Some(record) = &mut self.record {
            match &frame {
                Some(Ok(frame)) => record.sent(frame.data_ref().map_or(0, Bytes::len)),
                Some(Err(_)) => record.failed("answer_broke_off"),
                None => {}
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Text(text) => text.is_none(),
            Content::Origin(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Text(text) => {
                let len = text.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(len).unwrap_or(u64::MAX))
            }
            Content::Origin(body) => body.size_hint(),
        }
    }
}

/// The body of a request on its way to the origin.
#[derive(Debug)]
pub(super) struct RequestBody {
    upload: Rc<Upload>,
}

impl RequestBody {
    /// Returns no body.
    pub(super) fn empty() -> Self {
        Self {
            upload: Rc::default(),
        }
    }
}

/// The client's side of a request body, shared with whoever may give it up.
#[derive(Default)]
pub(super) struct Upload {
    /// None: there is no body, or it was given up.
    body: RefCell<Option<Incoming>>,
    /// Until it completes the body is not asked for: asking makes hyper send 100.
    wait: RefCell<Option<Pin<Box<dyn Future<Output = ()>>>>>,
    received: Cell<u64>,
    broke_off: Cell<bool>,
}

impl Upload {
    /// Returns an upload of `body` that starts when `wait` completes.
    pub(super) fn new(body: Incoming, wait: Option<Pin<Box<dyn Future<Output = ()>>>>) -> Self {
        Self {
            body: RefCell::new(Some(body).filter(|body| !body.is_end_stream())),
            wait: RefCell::new(wait),
            received: Cell::new(0),
            broke_off: Cell::new(false),
        }
    }

    /// Returns the body as the origin's side takes it.
    pub(super) fn stream(self: &Rc<Self>) -> RequestBody {
        RequestBody {
            upload: Rc::clone(self),
        }
    }

    /// Returns the bytes that the client sent.
    pub(super) fn received(&self) -> u64 {
        self.received.get()
    }

    /// Returns whether the client stopped within the body.
    pub(super) fn broke_off(&self) -> bool {
        self.broke_off.get()
    }

    /// Gives a body up that was not asked for yet. Returns whether there was one.
    pub(super) fn give_up_unasked(&self) -> bool {
        let mut wait = self.wait.borrow_mut();
        if wait.is_none() || self.body.take().is_none() {
            return false;
        }
        // The origin's side goes on waiting: to it, an end would be a body cut short.
        *wait = Some(Box::pin(std::future::pending()));
        true
    }

    /// Takes what is left of the body, for an origin that is gone. False: the client still waits
    /// to be asked for it.
    pub(super) fn take_rest(&self) -> Option<(Incoming, bool)> {
        let body = self.body.take()?;
        let was_asked = self.wait.take().is_none();
        Some((body, was_asked))
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut wait = self.wait.borrow_mut();
        if let Some(waiting) = wait.as_mut() {
            ready!(waiting.as_mut().poll(cx));
            *wait = None;
        }
        let mut body = self.body.borrow_mut();
        let Some(incoming) = body.as_mut() else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(incoming).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                let len = frame.data_ref().map_or(0, Bytes::len);
                let len = u64::try_from(len).unwrap_or(u64::MAX);
                self.received.set(self.received.get().saturating_add(len));
            }
            Some(Err(_)) => self.broke_off.set(true),
            None => {}
        }
        Poll::Ready(frame)
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.upload.poll(cx)
    }

    fn is_end_stream(&self) -> bool {
        let body = self.upload.body.borrow();
        body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.upload.body.borrow();
        body.as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}
