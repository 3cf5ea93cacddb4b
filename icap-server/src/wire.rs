use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use self::buffer::Buffer;

mod buffer;

/// Bytes read at once.
pub(crate) const READ_LEN_MAX: usize = 64 * 1024;

/// Bytes of an empty buffer that a connection keeps between requests.
pub(crate) const KEPT_LEN_MAX: usize = 16 * 1024;

/// Bytes read after the last answer at most.
pub const LINGER_LEN_MAX: usize = 1024 * 1024;

/// How long after the last answer bytes are read.
pub const LINGER_DEADLINE: Duration = Duration::from_secs(2);

thread_local! {
    /// Where a worker's reads land first, so that an idle connection holds no buffer.
    static LANDING: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_LEN_MAX].into_boxed_slice());
}

/// The bytes that come in and go out on one connection.
pub(crate) struct Wire<S> {
    stream: S,
    /// Received and not yet used.
    pub(crate) input: Buffer,
    /// To be sent. Gathered over all requests that arrived together, so that one write sends it.
    pub(crate) output: Buffer,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Why nothing more can be read or written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    /// The client sends nothing more.
    Closed,
    /// The deadline passed.
    TimedOut,
    /// We were asked to finish, and nothing was under way.
    Drained,
    /// The connection failed.
    Failed,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            input: Buffer::default(),
            output: Buffer::default(),
            timer: None,
        }
    }

    /// Waits until `input` has grown.
    pub(crate) async fn read(&mut self, deadline: Instant) -> Result<(), Ended> {
        self.read_or(deadline, Pin::new(&mut std::future::pending()))
            .await
    }

    /// Waits until `input` has grown, unless `stop` completes first.
    pub(crate) async fn read_or(
        &mut self,
        deadline: Instant,
        mut stop: Pin<&mut (impl Future<Output = ()> + ?Sized)>,
    ) -> Result<(), Ended> {
        self.release();
        poll_fn(|cx| {
            if let Poll::Ready(read) = self.poll_read(cx) {
                return Poll::Ready(read);
            }
            if stop.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(Ended::Drained));
            }
            self.poll_deadline(cx, deadline)
        })
        .await
    }

    /// Sends all of `output`; each step may take as long as `stall`.
    pub(crate) async fn flush(&mut self, stall: Duration) -> Result<(), Ended> {
        while !self.output.is_empty() {
            self.send_some(stall).await?;
        }
        // Most of the time nothing has to be waited for, and no clock is read.
        let mut deadline = None;
        // TLS takes bytes in before it sends them.
        poll_fn(|cx| match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(flushed) => Poll::Ready(flushed.map_err(|_| Ended::Failed)),
            Poll::Pending => {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + stall);
                self.poll_deadline(cx, deadline)
            }
        })
        .await
    }

    /// Waits until some of `output` is sent, for as long as `stall`.
    pub(crate) async fn send_some(&mut self, stall: Duration) -> Result<(), Ended> {
        let mut deadline = None;
        poll_fn(|cx| match self.poll_write(cx) {
            Poll::Ready(written) => Poll::Ready(written),
            Poll::Pending => {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + stall);
                self.poll_deadline(cx, deadline)
            }
        })
        .await
    }

    /// Waits until `input` has grown or some of `output` is sent, whichever is possible first.
    /// While `output` holds `window` bytes or more, nothing is read.
    pub(crate) async fn exchange(&mut self, window: usize, deadline: Instant) -> Result<(), Ended> {
        poll_fn(|cx| {
            let mut advanced = false;
            if !self.output.is_empty()
                && let Poll::Ready(written) = self.poll_write(cx)
            {
                written?;
                advanced = true;
            }
            if self.output.is_empty()
                && let Poll::Ready(Err(_)) = Pin::new(&mut self.stream).poll_flush(cx)
            {
                return Poll::Ready(Err(Ended::Failed));
            }
            if self.output.len() < window
                && let Poll::Ready(read) = self.poll_read(cx)
            {
                read?;
                advanced = true;
            }
            if advanced {
                return Poll::Ready(Ok(()));
            }
            self.poll_deadline(cx, deadline)
        })
        .await
    }

    /// Says that nothing more will be sent, and reads what the client still sends, so that a
    /// reset does not overtake the last answer.
    pub(crate) async fn linger(&mut self) {
        let deadline = Instant::now() + LINGER_DEADLINE;
        // TLS has something to send for it, which waits for a client that reads nothing.
        let said = poll_fn(|cx| match Pin::new(&mut self.stream).poll_shutdown(cx) {
            Poll::Ready(said) => Poll::Ready(said.map_err(|_| Ended::Failed)),
            Poll::Pending => self.poll_deadline(cx, deadline),
        });
        if said.await.is_err() {
            return;
        }
        let mut len = self.input.len();
        while len < LINGER_LEN_MAX {
            self.input.clear();
            if self.read(deadline).await.is_err() {
                return;
            }
            len = len.saturating_add(self.input.len());
        }
    }

    /// Gives memory back that a large message needed.
    fn release(&mut self) {
        self.input.release(KEPT_LEN_MAX);
        self.output.release(KEPT_LEN_MAX);
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        LANDING.with_borrow_mut(|landing| {
            let mut read = ReadBuf::new(landing);
            let outcome = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read));
            self.input.extend(read.filled());
            Poll::Ready(match outcome {
                Err(_) => Err(Ended::Failed),
                Ok(()) if read.filled().is_empty() => Err(Ended::Closed),
                Ok(()) => Ok(()),
            })
        })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, self.output.rest()));
        Poll::Ready(match written {
            Ok(0) | Err(_) => Err(Ended::Failed),
            Ok(len) => {
                self.output.advance(len);
                Ok(())
            }
        })
    }

    /// One timer serves all waits: it is moved only when it would fire too late, and looks again
    /// when it fires too early. Setting one up for each read would cost as much as an answer.
    fn poll_deadline(
        &mut self,
        cx: &mut Context<'_>,
        deadline: Instant,
    ) -> Poll<Result<(), Ended>> {
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(Err(Ended::TimedOut));
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufWriter, duplex};
    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_deadline_holds_whatever_the_timer_did_before() {
        let (near, mut far) = duplex(64);
        let mut wire = Wire::new(near);
        for seconds in [60, 1, 10, 3, 30] {
            let start = Instant::now();
            let ended = wire.read(start + SECOND * seconds).await.unwrap_err();
            assert!(matches!(ended, Ended::TimedOut), "{ended:?}");
            assert_eq!(start.elapsed().as_secs(), u64::from(seconds));
            far.write_all(b"x").await.unwrap();
            wire.read(Instant::now() + SECOND).await.unwrap();
        }
        assert_eq!(wire.input.rest(), b"xxxxx");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_stalls_the_flush() {
        let (near, _far) = duplex(4);
        let mut wire = Wire::new(near);
        wire.output.extend(b"12345");
        let ended = wire.flush(SECOND).await.unwrap_err();
        assert!(matches!(ended, Ended::TimedOut), "{ended:?}");
        assert_eq!(wire.output.rest(), b"5");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_only_the_wait() {
        let (near, mut far) = duplex(64);
        let mut wire = Wire::new(near);
        let mut stop = Box::pin(sleep(SECOND));
        let deadline = Instant::now() + SECOND * 5;
        far.write_all(b"x").await.unwrap();
        wire.read_or(deadline, stop.as_mut()).await.unwrap();
        let ended = wire.read_or(deadline, stop.as_mut()).await.unwrap_err();
        assert!(matches!(ended, Ended::Drained), "{ended:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn both_ways_at_once() {
        let (near, mut far) = duplex(8);
        let mut wire = Wire::new(near);
        wire.output.extend(&[b'o'; 20]);
        let deadline = Instant::now() + SECOND;
        far.write_all(b"in").await.unwrap();
        wire.exchange(64, deadline).await.unwrap();
        assert_eq!((wire.output.len(), wire.input.rest()), (12, &b"in"[..]));
        far.write_all(b"more").await.unwrap();
        // The window is full and the client reads nothing, so its bytes stay where they are.
        assert!(matches!(
            wire.exchange(12, deadline).await,
            Err(Ended::TimedOut)
        ));
        let mut sent = [0; 8];
        far.read_exact(&mut sent).await.unwrap();
        wire.exchange(12, Instant::now() + SECOND).await.unwrap();
        assert_eq!((wire.output.len(), wire.input.rest()), (4, &b"inmore"[..]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_the_goodbye_is_left() {
        let (near, _far) = duplex(4);
        let mut goodbye = BufWriter::new(near);
        goodbye.write_all(b"close_notify").await.unwrap();
        let mut wire = Wire::new(goodbye);
        let start = Instant::now();
        wire.linger().await;
        assert_eq!(start.elapsed().as_secs(), LINGER_DEADLINE.as_secs());
    }

    #[tokio::test]
    async fn large_buffers_are_not_kept() {
        let (near, mut far) = duplex(KEPT_LEN_MAX * 4);
        let mut wire = Wire::new(near);
        far.write_all(&[0; KEPT_LEN_MAX * 2]).await.unwrap();
        wire.read(Instant::now() + SECOND).await.unwrap();
        assert!(wire.input.capacity() > KEPT_LEN_MAX);
        wire.input.clear();
        far.write_all(b"x").await.unwrap();
        wire.read(Instant::now() + SECOND).await.unwrap();
        assert!(wire.input.capacity() <= KEPT_LEN_MAX);
    }
}
