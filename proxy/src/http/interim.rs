//! Informational answers (1xx) of an origin, which hyper does not forward (RFC 9110 section 15.2).
//!
//! They go to the client between hyper's own messages: when hyper has written all that it had,
//! and before the answer that they announce.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use http::{HeaderMap, StatusCode};
use tokio::net::TcpStream;

use super::fields::remove_hop_by_hop;

/// Bytes of informational answers that wait to be sent; further ones are dropped.
pub(super) const INTERIM_LEN_MAX: usize = 16 * 1024;

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
    ) -> Poll<io::Result<()>> {
        let mut waiting = self.lock();
        while !waiting.bytes.is_empty() {
            ready!(socket.poll_write_ready(cx))?;
            match socket.try_write(&waiting.bytes) {
                Ok(len) => {
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
