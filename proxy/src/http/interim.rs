//! Informational answers (1xx) of an origin, which hyper does not forward (RFC 9110 section 15.2).
//!
//! They go to the client between hyper's own messages: when hyper has written all that it had,
//! and before the answer that they announce.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use http::{HeaderMap, StatusCode};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::fields::remove_hop_by_hop;
use super::signals::Signals;

/// Bytes of informational answers that wait to be sent; further ones are dropped.
pub(super) const INTERIM_LEN_MAX: usize = 16 * 1024;

/// Bytes of informational answers that announce one answer, as an origin of HTTP/1.1 writes them.
/// One that goes on for ever would keep its connection and the client's.
pub(super) const ANNOUNCED_LEN_MAX: usize = 256 * 1024;

/// Bytes of a line of fields beside name and value: `: ` and a line end.
const FIELD_EXTRA_LEN: usize = 4;

/// What the informational answers to one request say.
#[derive(Debug, Default)]
pub(super) struct Announced {
    /// The origin asks for the body.
    pub(super) body_wanted: Notify,
    /// There are too many of them.
    pub(super) too_many: Notify,
    len: AtomicUsize,
}

impl Announced {
    /// Takes note of one.
    pub(super) fn note(&self, status: StatusCode, fields: &HeaderMap) {
        if status == StatusCode::CONTINUE {
            self.body_wanted.notify_one();
        }
        let line = "HTTP/1.1 100 \r\n\r\n".len();
        let fields = fields.iter().map(|(name, value)| {
            let len = name.as_str().len().saturating_add(value.len());
            len.saturating_add(FIELD_EXTRA_LEN)
        });
        let len = fields.fold(line, usize::saturating_add);
        let before = self.len.fetch_add(len, Ordering::Relaxed);
        if before.saturating_add(len) > ANNOUNCED_LEN_MAX {
            self.too_many.notify_one();
        }
    }
}

/// Informational answers on their way to a client.
#[derive(Debug, Default)]
pub(super) struct Interim(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    bytes: BytesMut,
    /// The first of them is sent in part.
    started: bool,
    /// Wants to know when there are none.
    waker: Option<Waker>,
}

impl Interim {
    /// Takes an answer along. 100 is not taken: hyper sends it when the body is asked for.
    pub(super) fn push(&self, status: StatusCode, fields: &HeaderMap) {
        if matches!(
            status,
            StatusCode::CONTINUE | StatusCode::SWITCHING_PROTOCOLS
        ) {
            return;
        }
        let mut fields = fields.clone();
        remove_hop_by_hop(&mut fields);
        let reason = status.canonical_reason().unwrap_or_default();
        let mut text = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
        for (name, value) in &fields {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                text.extend_from_slice(part);
            }
        }
        text.extend_from_slice(b"\r\n");
        let mut waiting = self.lock();
        if waiting.bytes.len() + text.len() <= INTERIM_LEN_MAX {
            waiting.bytes.extend_from_slice(&text);
        }
    }

    /// Returns whether an answer is sent in part, so that nothing else may be sent.
    pub(super) fn is_started(&self) -> bool {
        self.lock().started
    }

    /// Sends what waits.
    pub(super) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        socket: &TcpStream,
        signals: &Signals,
    ) -> Poll<io::Result<()>> {
        let mut waiting = self.lock();
        while !waiting.bytes.is_empty() {
            ready!(socket.poll_write_ready(cx))?;
            match socket.try_write(&waiting.bytes) {
                Ok(len) => {
                    signals.note_sent();
                    waiting.bytes.advance(len);
                    waiting.started = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        waiting.started = false;
        if let Some(waker) = waiting.waker.take() {
            waker.wake();
        }
        Poll::Ready(Ok(()))
    }

    /// Completes when nothing waits.
    pub(super) async fn sent(&self) {
        std::future::poll_fn(|cx| {
            let mut waiting = self.lock();
            if waiting.bytes.is_empty() {
                return Poll::Ready(());
            }
            waiting.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded() {
        let interim = Interim::default();
        let fields = HeaderMap::new();
        interim.push(StatusCode::CONTINUE, &fields);
        assert!(interim.lock().bytes.is_empty());
        for _ in 0..INTERIM_LEN_MAX {
            interim.push(StatusCode::EARLY_HINTS, &fields);
        }
        let len = interim.lock().bytes.len();
        assert!(
            len <= INTERIM_LEN_MAX && len > INTERIM_LEN_MAX - 64,
            "{len}"
        );
    }
}
