//! The signals that operators send: SIGTERM and SIGINT to stop, SIGHUP to reload.

use std::future::Future;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Starts to listen for SIGTERM and SIGINT; the future completes with the first one's name.
///
/// # Errors
///
/// Fails if the system refuses the handler.
pub fn termination() -> io::Result<impl Future<Output = &'static str> + Send> {
    // Registered here and not at the first poll, so that no early signal is lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}

/// The SIGHUPs that arrive. Those that arrive while one is being served count as one.
#[derive(Debug)]
pub struct Hangups(Signal);

impl Hangups {
    /// Starts to listen for SIGHUP.
    ///
    /// # Errors
    ///
    /// Fails if the system refuses the handler.
    pub fn listen() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Completes at the next SIGHUP. Dropping the future loses none.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            // The runtime's signal driver is gone, so no signal can arrive any more.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[tokio::test]
    async fn each_signal_reaches_its_listener() {
        let termination = termination().unwrap();
        let mut hangups = Hangups::listen().unwrap();
        send("HUP");
        hangups.next().await;
        send("TERM");
        assert_eq!(termination.await, "SIGTERM");
    }

    fn send(name: &str) {
        let own = std::process::id().to_string();
        let sent = Command::new("kill").args(["-s", name, &own]).status();
        assert!(sent.unwrap().success());
    }
}
