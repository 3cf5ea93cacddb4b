//! Connections to origins, for the requests of one client connection.
//!
//! They are never shared with another client connection: an origin that authenticates the
//! connection (`Negotiate`, `NTLM`) must not take one client for another.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::body::RequestBody;
use super::signals::Signals;
use crate::connection::Connection;
use crate::dial::{DialError, Origin};
use crate::worker::Worker;

/// Bytes of an origin's answer head.
pub(super) const ANSWER_HEAD_LEN_MAX: usize = 256 * 1024;

/// How long a kept connection may take to be ready for another request.
const READY_WAIT_MAX: Duration = Duration::from_millis(50);

/// How long an origin that has changed protocol may take to let go of HTTP.
const UPGRADE_WAIT_MAX: Duration = Duration::from_secs(5);

/// Bytes read from an origin at once.
const READ_LEN: usize = 16 * 1024;

/// The origins of one client connection: one in use or kept for the next request.
///
/// Its links are driven by the task of the client connection, so they end with it.
#[derive(Debug, Default)]
pub(super) struct Origins {
    links: RefCell<Vec<Link>>,
    kept: RefCell<Option<(Origin, SendRequest<RequestBody>)>>,
    upgraded: RefCell<Option<(TcpStream, Bytes)>>,
}

#[derive(Debug)]
struct Link {
    connection: http1::Connection<OriginIo, RequestBody>,
    then: Then,
}

/// What follows HTTP on a connection to an origin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Then {
    /// Nothing: it is closed.
    Close,
    /// Perhaps another protocol.
    MayUpgrade,
}

/// An origin ready for one request.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) sender: SendRequest<RequestBody>,
    /// An earlier request went over the same connection, so it may be closing by now.
    pub(super) reused: bool,
}

impl Origins {
    /// Returns the kept connection if it goes to `origin` and is still good.
    pub(super) async fn kept(&self, origin: &Origin) -> Option<Ready> {
        let (kept, mut sender) = self.kept.take()?;
        if kept != *origin {
            return None;
        }
        match timeout(READY_WAIT_MAX, sender.ready()).await {
            Ok(Ok(())) => Some(Ready {
                sender,
                reused: true,
            }),
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// Connects to `origin`; every earlier connection is closed.
    pub(super) async fn connect(
        &self,
        worker: &Worker,
        connection: &Connection,
        signals: &Rc<Signals>,
        (origin, then): (&Origin, Then),
    ) -> Result<Ready, DialError> {
        self.links.borrow_mut().clear();
        // One that answered HTTP instead and has ended since.
        self.upgraded.take();
        let socket = worker.dial(connection, origin).await?;
        let io = OriginIo {
            socket,
            signals: Rc::clone(signals),
        };
        let (sender, connection) = http1::Builder::new()
            .preserve_header_case(true)
            .max_buf_size(ANSWER_HEAD_LEN_MAX)
            // RFC 9112 sections 5.1 and 5.2: a proxy mends both in an answer.
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .handshake(io)
            .await
            .map_err(|error| DialError::Io(io::Error::other(error)))?;
        self.links.borrow_mut().push(Link { connection, then });
        Ok(Ready {
            sender,
            reused: false,
        })
    }

    /// Keeps a connection for the next request.
    pub(super) fn keep(&self, origin: Origin, sender: SendRequest<RequestBody>) {
        *self.kept.borrow_mut() = Some((origin, sender));
    }

    /// Closes every connection, in the middle of a request too.
    pub(super) fn close(&self) {
        self.kept.take();
        self.links.borrow_mut().clear();
    }

    /// Drives the links.
    pub(super) fn poll(&self, cx: &mut Context<'_>) {
        let mut links = self.links.borrow_mut();
        let mut at = 0;
        while let Some(link) = links.get_mut(at) {
            match link.connection.poll_without_shutdown(cx) {
                Poll::Pending => at += 1,
                Poll::Ready(done) => {
                    let Link { connection, then } = links.swap_remove(at);
                    if let (Ok(()), Then::MayUpgrade) = (done, then) {
                        let parts = connection.into_parts();
                        *self.upgraded.borrow_mut() = Some((parts.io.socket, parts.read_buf));
                    }
                }
            }
        }
    }

    /// Returns the connection that has changed protocol, and the bytes that came after HTTP.
    pub(super) async fn upgraded(&self) -> Option<(TcpStream, Bytes)> {
        let upgraded = std::future::poll_fn(|cx| {
            self.poll(cx);
            if let Some(upgraded) = self.upgraded.take() {
                Poll::Ready(Some(upgraded))
            } else if self.links.borrow().is_empty() {
                Poll::Ready(None)
            } else {
                Poll::Pending
            }
        });
        timeout(UPGRADE_WAIT_MAX, upgraded).await.ok().flatten()
    }
}

/// The origin's side of hyper.
#[derive(Debug)]
struct OriginIo {
    socket: TcpStream,
    signals: Rc<Signals>,
}

impl OriginIo {
    fn noted(&self, done: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(1..)) = done {
            self.signals.note_move();
        }
        done
    }
}

impl Read for OriginIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut space = [const { MaybeUninit::uninit() }; READ_LEN];
        let len = cursor.remaining().min(READ_LEN);
        let mut buffer = ReadBuf::uninit(space.get_mut(..len).unwrap_or_default());
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer))?;
        if !buffer.filled().is_empty() {
            self.signals.note_move();
        }
        cursor.put_slice(buffer.filled());
        Poll::Ready(Ok(()))
    }
}

impl Write for OriginIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.noted(done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.socket).poll_write_vectored(cx, parts);
        self.noted(done)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
