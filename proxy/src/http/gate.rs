//! Between the client's socket and hyper: every head is judged here before hyper sees it.
//!
//! The gate knows where each message ends. It gives hyper one head at a time, only when hyper
//! asks for it, with the request line rewritten to one that hyper reads in the same way; then the
//! bytes of its body and no byte more. A head that is refused is replaced by a small request, so
//! that hyper answers it in its turn, after the answers to earlier requests.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use filter::Undecidable;
use http_head::{Body, Head, Limits, Reach, Target, Upgrade, Verdict, Version, judge};
use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::signals::{Arrived, BadRequest, Signals};
use crate::config::HeadLimits;

/// Bytes read from the client at once.
const READ_LEN: usize = 16 * 1024;

/// First bytes that are judged at each arrival; after them, a line must have ended.
const EARLY_LEN: usize = 64;

/// What hyper reads where the client's head is not for it.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: weir\r\nconnection: close\r\n\r\n";

/// The client's side of hyper.
#[derive(Debug)]
pub(super) struct Gate {
    socket: Rc<TcpStream>,
    /// Read from the socket and not yet given to hyper.
    buffer: BytesMut,
    /// A head that hyper is being given.
    head: Bytes,
    reading: Reading,
    patience: Patience,
    limits: HeadLimits,
    /// How long the client may be idle before its first request and between requests.
    idle_max: Duration,
    foreign: Foreign,
    signals: Rc<Signals>,
}

/// What may become of a first message that is not HTTP/1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Foreign {
    /// It is judged, and may be forwarded as it is.
    IsJudged,
    /// It is a bad request.
    IsBad,
}

/// What the next byte of the client is.
#[derive(Debug)]
enum Reading {
    Head,
    Body(Body),
    /// HTTP or another protocol: not known yet.
    Held,
    /// Nobody's.
    Nothing,
}

impl Gate {
    pub(super) fn new(
        socket: Rc<TcpStream>,
        buffer: BytesMut,
        (limits, idle_max): (HeadLimits, Duration),
        foreign: Foreign,
        signals: Rc<Signals>,
    ) -> Self {
        Self {
            socket,
            buffer,
            head: Bytes::new(),
            reading: Reading::Head,
            patience: Patience::default(),
            limits,
            idle_max,
            foreign,
            signals,
        }
    }

    /// Returns the bytes that were read and belong to whatever follows HTTP.
    pub(super) fn into_rest(self) -> BytesMut {
        self.buffer
    }

    /// Fills `head` with something for hyper to read. False: the client is done, or was idle for
    /// too long.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut worth_a_look = !self.buffer.is_empty();
        loop {
            if worth_a_look {
                match self.judge_buffer() {
                    Verdict::NeedMore => {}
                    Verdict::Head(head) => self.admit(head),
                    Verdict::Bad(bad) => self.refuse(BadRequest::Head(bad)),
                    Verdict::NotHttp => self.admit_foreign(Undecidable::NotHttp),
                    Verdict::Http2Preface => self.admit_foreign(Undecidable::Http2Preface),
                }
                if !self.head.is_empty() {
                    return Poll::Ready(Ok(true));
                }
            }
            let filled = self.buffer.len();
            match self.poll_fill(cx) {
                Poll::Ready(Ok(0)) if filled > 0 => {
                    self.refuse(BadRequest::Truncated);
                    return Poll::Ready(Ok(true));
                }
                Poll::Ready(Ok(0)) => {
                    self.reading = Reading::Nothing;
                    return Poll::Ready(Ok(false));
                }
                Poll::Ready(Ok(_)) => {
                    let new = self.buffer.get(filled..).unwrap_or_default();
                    worth_a_look = filled < EARLY_LEN
                        || new.contains(&b'\n')
                        || self.buffer.len() >= self.limits.bytes_max;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    let waiting = if self.buffer.is_empty() {
                        self.buffer = BytesMut::new();
                        (Waiting::ForHead, self.idle_max)
                    } else {
                        (Waiting::ForRest, self.limits.deadline)
                    };
                    self.signals.awaits_head.set(true);
                    ready!(self.patience.poll_end(cx, waiting));
                    return Poll::Ready(Ok(match waiting.0 {
                        Waiting::ForRest => {
                            self.refuse(BadRequest::Late);
                            true
                        }
                        Waiting::ForHead => {
                            self.reading = Reading::Nothing;
                            self.signals.idled.set(true);
                            false
                        }
                    }));
                }
            }
        }
    }

    fn judge_buffer(&self) -> Verdict {
        let limits = Limits {
            head_len_max: self.limits.bytes_max,
        };
        judge(&self.buffer, &limits)
    }

    fn admit(&mut self, head: Box<Head>) {
        self.buffer.advance(head.len());
        self.head = canonical(&head);
        let may_change =
            matches!(head.target(), Target::Authority(_)) || head.upgrade() == Upgrade::Websocket;
        self.reading = match (may_change, Body::of(head.framing())) {
            (true, _) => {
                self.signals.hold();
                Reading::Held
            }
            (false, Some(body)) => Reading::Body(body),
            (false, None) => Reading::Head,
        };
        let body_follows = !self.buffer.is_empty();
        self.let_through(Arrived::Request { head, body_follows });
    }

    fn refuse(&mut self, bad: BadRequest) {
        self.head = Bytes::from_static(STAND_IN);
        self.reading = Reading::Nothing;
        self.let_through(Arrived::Bad(bad));
    }

    /// Lets the first bytes of another protocol be judged; in the place of a later request they
    /// are a bad one.
    fn admit_foreign(&mut self, what: Undecidable) {
        if self.foreign == Foreign::IsBad {
            return self.refuse(BadRequest::NotHttp);
        }
        self.head = Bytes::from_static(STAND_IN);
        self.reading = Reading::Nothing;
        self.let_through(Arrived::Foreign(what));
    }

    fn let_through(&mut self, arrived: Arrived) {
        self.patience = Patience::default();
        self.foreign = Foreign::IsBad;
        self.signals.awaits_head.set(false);
        self.signals.push(arrived);
    }

    /// Gives hyper bytes of the body, or nothing if the client is done.
    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        cursor: &mut ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.buffer.is_empty() && ready!(self.poll_fill(cx))? == 0 {
            self.reading = Reading::Nothing;
            return Poll::Ready(Ok(()));
        }
        let Reading::Body(body) = &mut self.reading else {
            return Poll::Ready(Ok(()));
        };
        let len = cursor.remaining().min(self.buffer.len());
        let window = self.buffer.get(..len).unwrap_or_default();
        let len = match body.take(window) {
            Ok(Reach::All) => len,
            Ok(Reach::End(len)) => {
                self.reading = Reading::Head;
                len
            }
            Err(_) => {
                self.signals.body_refused.set(true);
                self.reading = Reading::Nothing;
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
        };
        cursor.put_slice(&self.buffer.split_to(len));
        Poll::Ready(Ok(()))
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.socket.poll_read_ready(cx))?;
            self.buffer.reserve(READ_LEN);
            match self.socket.try_read_buf(&mut self.buffer) {
                Ok(0) => {
                    self.signals.client_done.set(true);
                    return Poll::Ready(Ok(0));
                }
                Ok(len) => {
                    self.signals.note_move();
                    return Poll::Ready(Ok(len));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    self.signals.client_done.set(true);
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    fn poll_interim(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = self
            .signals
            .interim
            .poll_send(cx, &self.socket, &self.signals);
        self.signals.unsent.set(sent.is_pending());
        sent
    }

    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        send: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if self.signals.interim.is_started() {
            ready!(self.poll_interim(cx))?;
        }
        loop {
            if self.socket.poll_write_ready(cx)?.is_pending() {
                self.signals.unsent.set(true);
                return Poll::Pending;
            }
            match send(&self.socket) {
                Ok(len) => {
                    self.signals.note_sent();
                    self.signals.answered.set(true);
                    return Poll::Ready(Ok(len));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// Writes the head as hyper shall read it: an absolute target becomes a path, since the authority
/// was taken from it. CONNECT gets an authority that `http::Uri` is sure to take.
fn canonical(head: &Head) -> Bytes {
    let path: &[u8] = match head.target() {
        Target::Origin => head.path_and_query(),
        Target::Absolute { .. } => match head.path_and_query() {
            [] => b"/",
            path => path,
        },
        Target::Authority(_) => b"weir:443",
        Target::Asterisk => b"*",
    };
    let slash: &[u8] = if path.starts_with(b"?") { b"/" } else { b"" };
    let version: &[u8] = match head.version() {
        Version::Http10 => b" HTTP/1.0\r\n",
        Version::Http11 => b" HTTP/1.1\r\n",
    };
    let method = head.method().as_bytes();
    [method, b" ", slash, path, version, head.field_lines()]
        .concat()
        .into()
}

impl Read for Gate {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let gate = &mut *self;
        if gate.head.is_empty() {
            if let Reading::Held = gate.reading {
                if gate.signals.is_held(cx.waker()) {
                    return Poll::Pending;
                }
                gate.reading = Reading::Head;
            }
            match gate.reading {
                Reading::Head => {
                    if !ready!(gate.poll_head(cx))? {
                        return Poll::Ready(Ok(()));
                    }
                }
                Reading::Body(_) => return gate.poll_body(cx, &mut cursor),
                Reading::Held | Reading::Nothing => return Poll::Ready(Ok(())),
            }
        }
        let len = cursor.remaining().min(gate.head.len());
        cursor.put_slice(&gate.head.split_to(len));
        Poll::Ready(Ok(()))
    }
}

impl Write for Gate {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, |socket| socket.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, |socket| socket.try_write_vectored(parts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// hyper flushes when it has written all that it had.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_interim(cx)
    }

    /// The socket is shut down by whoever ends the connection, not by hyper.
    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// How long the client is waited for.
#[derive(Debug, Default)]
struct Patience {
    waiting: Option<Waiting>,
    sleep: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Waiting {
    /// Nothing of the head is there.
    ForHead,
    /// From its first byte.
    ForRest,
}

impl Patience {
    fn poll_end(&mut self, cx: &mut Context<'_>, (waiting, max): (Waiting, Duration)) -> Poll<()> {
        if self.waiting != Some(waiting) {
            self.waiting = Some(waiting);
            self.sleep = Some(Box::pin(sleep_until(Instant::now() + max)));
        }
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}
