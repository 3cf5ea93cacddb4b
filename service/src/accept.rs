use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time;
use tracing::warn;

/// How long to wait after the system refused to accept, which it does without descriptors or
/// memory: trying at once would spin.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts the next connection, however often the system fails meanwhile.
pub async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if belongs_to_one_connection(&error) => {}
            Err(error) => {
                warn!(%error, "cannot accept");
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// accept(2) reports errors of the connection that it would have returned; the next may be fine.
fn belongs_to_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted | Kind::ConnectionReset | Kind::ConnectionRefused
    )
}
