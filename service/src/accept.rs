use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{self, Instant};
use tracing::warn;

/// How long to wait after the system refused to accept, which it does without descriptors or
/// memory: trying at once would spin.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often it is told in the log that the system goes on refusing.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Accepts the next connection, however often the system fails meanwhile. `refused` is called
/// each time that it does.
pub async fn accept(listener: &TcpListener, refused: impl FnMut()) -> (TcpStream, SocketAddr) {
    accept_by(|context| listener.poll_accept(context), refused).await
}

/// Like [`accept`], for a listener of any kind: `poll` polls it.
pub async fn accept_by<T>(
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>,
    mut refused: impl FnMut(),
) -> T {
    let mut told: Option<Instant> = None;
    loop {
        match poll_fn(&mut poll).await {
            Ok(accepted) => return accepted,
            Err(error) if belongs_to_one_connection(&error) => {}
            Err(error) => {
                refused();
                if told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
                    warn!(%error, "cannot accept");
                    told = Some(Instant::now());
                }
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
