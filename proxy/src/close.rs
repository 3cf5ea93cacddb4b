//! The ways to end a connection (S4 3.1).

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// Bytes read from a client after our end of the connection was closed.
pub(crate) const LINGER_LEN_MAX: usize = 64 * 1024;

/// Bytes of them read at once.
const LINGER_READ_LEN: usize = 4096;

/// How long a client may take to close its end after we closed ours.
pub(crate) const LINGER_WAIT: Duration = Duration::from_secs(2);

/// How long a client may take to receive what was written to it before its connection is reset.
pub(crate) const SENT_WAIT_MAX: Duration = Duration::from_secs(30);

/// How often it is looked whether everything was sent.
const SENT_LOOK_EVERY: Duration = Duration::from_millis(20);

/// Ends a connection after what was written to it, and with nothing more.
///
/// Closing a socket that still has unread bytes would reset the connection, and the reset may
/// overtake what was written; so the client's bytes are read over for a moment.
pub(crate) async fn quietly(mut socket: TcpStream) {
    let lingering = async {
        socket.shutdown().await?;
        let mut left = LINGER_LEN_MAX;
        while left > 0 {
            socket.readable().await?;
            // Not held over the wait: every connection would hold its room from the start.
            match socket.try_read(&mut [0; LINGER_READ_LEN]) {
                Ok(0) => break,
                Ok(len) => left = left.saturating_sub(len),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    // However it ends, the socket is closed after it.
    let _ = timeout(LINGER_WAIT, lingering).await;
}

/// Ends a connection with a reset.
pub(crate) fn reset(socket: TcpStream) {
    // A connection that is already gone refuses it, and needs it no more.
    let _ = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
    drop(socket);
}

/// Ends a connection with a reset, once everything that was written to it has left: a reset
/// throws away what has not.
pub(crate) async fn reset_after_sent(socket: TcpStream) {
    sent(&socket).await;
    reset(socket);
}

/// Completes when no byte waits to be sent, when the connection is gone, or after
/// [`SENT_WAIT_MAX`].
pub(crate) async fn sent(socket: &TcpStream) {
    // With this the system calls a socket writable only if nothing waits in it.
    if SockRef::from(socket).set_tcp_notsent_lowat(1).is_err() {
        return;
    }
    let until = Instant::now() + SENT_WAIT_MAX;
    while !is_writable(socket) && Instant::now() < until {
        sleep(SENT_LOOK_EVERY).await;
    }
}

fn is_writable(socket: &TcpStream) -> bool {
    let mut sockets = [PollFd::new(socket, PollFlags::OUT)];
    // A system that cannot tell is not asked again.
    !matches!(poll(&mut sockets, Some(&Timespec::default())), Ok(0))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::fixture::pair;

    #[tokio::test]
    async fn a_reset_takes_nothing_along_that_was_written() {
        let (mut client, accepted) = pair().await;
        let mut written = 0;
        // More than the client's side holds, so that some of it waits here.
        while let Ok(Ok(())) = timeout(Duration::from_millis(50), accepted.writable()).await {
            if let Ok(len) = accepted.try_write(&[7; 64 * 1024]) {
                written += len;
            }
        }
        let reading = async {
            sleep(Duration::from_millis(500)).await;
            let (mut read, mut buffer) = (0, vec![0; 64 * 1024]);
            loop {
                match client.read(&mut buffer).await {
                    Ok(len) => read += len,
                    Err(error) => break (read, error.kind()),
                }
            }
        };
        let ((), read) = tokio::join!(reset_after_sent(accepted), reading);
        assert_eq!(read, (written, ErrorKind::ConnectionReset));
    }

    #[tokio::test]
    async fn a_client_that_is_gone_is_not_waited_for() {
        let (client, mut accepted) = pair().await;
        accepted.write_all(b"never read").await.unwrap();
        reset(client);
        let ended = timeout(SENT_WAIT_MAX / 10, reset_after_sent(accepted)).await;
        assert!(ended.is_ok());
    }
}
