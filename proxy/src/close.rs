//! The ways to end a connection (S4 3.1).

use std::time::Duration;

use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Bytes read from a client after our end of the connection was closed.
pub(crate) const LINGER_LEN_MAX: usize = 64 * 1024;

/// How long a client may take to close its end after we closed ours.
pub(crate) const LINGER_WAIT: Duration = Duration::from_secs(2);

/// Ends a connection after what was written to it, and with nothing more.
///
/// Closing a socket that still has unread bytes would reset the connection, and the reset may
/// overtake what was written; so the client's bytes are read over for a moment.
pub(crate) async fn quietly(mut socket: TcpStream) {
    let lingering = async {
        socket.shutdown().await?;
        let mut buffer = [0; 4096];
        let mut left = LINGER_LEN_MAX;
        while left > 0 {
            socket.readable().await?;
            match socket.try_read(&mut buffer) {
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
