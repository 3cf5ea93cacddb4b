//! One question and its answer on one connection.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::BufMut as _;
use icap::{
    Answer, AnswerReader, BadAnswer, Connection as Persistence, FedAnswer, Rest, Skip, Skipped,
};
use prometheus_client::metrics::gauge::Gauge;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, timeout};

use super::connect::Transport;

/// Bytes read at a time; most answers are a few hundred.
const READ_LEN: usize = 4 * 1024;

/// How long what follows an answer may take to be read past.
const SKIP_WAIT_MAX: Duration = Duration::from_secs(1);

/// A connection to an endpoint. It carries one question at a time.
pub(super) struct Connection {
    io: Box<dyn Transport>,
    received: Vec<u8>,
    used_at: Instant,
    open: Gauge,
}

/// What becomes of a connection after an answer.
#[derive(Debug)]
pub(super) enum After {
    /// It carries the next question.
    Ready(Connection),
    /// It does so once the rest of the answer is read past.
    Skip(Connection, Skip),
    /// It is closed.
    Closed,
    /// It is closed because there was more on it than the answer.
    Unclean,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The connection ended before the first byte of an answer.
    #[error("the connection ended before an answer")]
    Silent(#[source] Option<io::Error>),
    /// The connection ended in the middle of an answer.
    #[error("the connection ended within an answer")]
    Cut(#[source] Option<io::Error>),
    /// Not an answer.
    #[error("not an ICAP answer")]
    Bad(#[from] BadAnswer),
    /// 100 Continue, and nothing was held back.
    #[error("100 Continue to a question without a body")]
    Continue,
}

impl Connection {
    /// Wraps a fresh connection and counts it in `open` for as long as it lives.
    pub(super) fn new(io: Box<dyn Transport>, open: Gauge) -> Self {
        open.inc();
        Self {
            io,
            received: Vec::new(),
            used_at: Instant::now(),
            open,
        }
    }

    /// Returns when the last answer arrived.
    pub(super) fn used_at(&self) -> Instant {
        self.used_at
    }

    /// Returns whether the peer neither closed the connection nor sent anything: bytes that
    /// arrive before the next question would be taken for its answer.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut byte = [0_u8];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        match rustix::net::recv(self.io.socket(), &mut byte, flags) {
            Err(Errno::AGAIN) => {}
            Ok(_) | Err(_) => return false,
        }
        // Decrypted bytes may wait above the socket.
        let mut context = Context::from_waker(Waker::noop());
        let mut buffer = ReadBuf::new(&mut byte);
        Pin::new(&mut self.io)
            .poll_read(&mut context, &mut buffer)
            .is_pending()
    }

    /// Sends a question and reads the head of its answer with `reader`.
    pub(super) async fn exchange(
        mut self,
        question: &[u8],
        mut reader: AnswerReader,
    ) -> Result<(Answer, After), Broken> {
        debug_assert!(self.received.is_empty());
        // An answer may be there although the question was not taken: overload, for one.
        let sent = self.send(question).await;
        loop {
            match reader.feed(&self.received) {
                FedAnswer::NeedMore => {}
                FedAnswer::Bad(bad) => return Err(bad.into()),
                FedAnswer::Answer(answer, used) => {
                    if answer.status == 100 {
                        return Err(Broken::Continue);
                    }
                    let after = self.after(&answer, used, sent.is_ok());
                    return Ok((*answer, after));
                }
            }
            let ended = match self.receive().await {
                Ok(0) => sent.err(),
                Err(error) => Some(error),
                Ok(_) => continue,
            };
            return Err(match self.received.is_empty() {
                true => Broken::Silent(ended),
                false => Broken::Cut(ended),
            });
        }
    }

    async fn send(&mut self, question: &[u8]) -> io::Result<()> {
        self.io.write_all(question).await?;
        self.io.flush().await
    }

    async fn receive(&mut self) -> io::Result<usize> {
        self.received.reserve(READ_LEN);
        self.io
            .read_buf(&mut (&mut self.received).limit(READ_LEN))
            .await
    }

    fn after(mut self, answer: &Answer, used: usize, sent: bool) -> After {
        self.received.drain(..used);
        self.used_at = Instant::now();
        match (answer.connection, &answer.rest) {
            _ if !sent => After::Closed,
            (Persistence::Close, _) | (_, Rest::Unframed) => After::Closed,
            (Persistence::KeepAlive, Rest::Nothing) => self.ready(),
            (Persistence::KeepAlive, Rest::Skip(skip)) => After::Skip(self, skip.clone()),
        }
    }

    /// Reads past what follows an answer.
    pub(super) async fn skip(self, skip: Skip) -> After {
        let skipped = timeout(SKIP_WAIT_MAX, self.skip_rest(skip)).await;
        skipped.unwrap_or(After::Closed)
    }

    async fn skip_rest(mut self, mut skip: Skip) -> After {
        loop {
            let Ok((used, skipped)) = skip.feed(&self.received) else {
                return After::Closed;
            };
            self.received.drain(..used);
            match skipped {
                Skipped::Done => return self.ready(),
                Skipped::NeedMore => {}
            }
            if !matches!(self.receive().await, Ok(1..)) {
                return After::Closed;
            }
        }
    }

    fn ready(self) -> After {
        if self.received.is_empty() {
            After::Ready(self)
        } else {
            After::Unclean
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("used_at", &self.used_at)
            .finish_non_exhaustive()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.open.dec();
    }
}
