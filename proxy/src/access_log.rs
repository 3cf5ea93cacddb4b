//! One JSON line per decision, refused request and refused connection.

mod line;
mod writer;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use filter::Protocol;

use crate::config::Mode;
use crate::connection::Connection;
use crate::judge::Judged;
use crate::metrics::Refusal;
use crate::worker::Worker;
use line::Line;

pub(crate) use writer::{AccessLogger, Sink};

/// What one request was and how it went, as far as the line tells.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// When it was received.
    pub(crate) started: Instant,
    /// How long it took, if it was over before its line is written.
    pub(crate) took: Option<Duration>,
    /// The method of an HTTP request.
    pub(crate) method: Option<String>,
    /// The URI in normal form, or as received where it has none.
    pub(crate) uri: Option<String>,
    /// The server name of a Client Hello as sent.
    pub(crate) sni: Option<Box<[u8]>>,
    /// Whether the Client Hello has an encrypted one inside.
    pub(crate) ech: bool,
    /// The status that the client got, the origin's or ours.
    pub(crate) status: Option<u16>,
    /// Bytes from the client. Of HTTP: of the request's body.
    pub(crate) bytes_in: u64,
    /// Bytes to the client. Of HTTP: of the answer's body.
    pub(crate) bytes_out: u64,
    /// Why a request that was to be forwarded was not, or not as a whole: a word of an enum.
    pub(crate) failure: Option<&'static str>,
}

impl Exchange {
    /// Starts on a request received now.
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            took: None,
            method: None,
            uri: None,
            sni: None,
            ech: false,
            status: None,
            bytes_in: 0,
            bytes_out: 0,
            failure: None,
        }
    }
}

/// The line of a judged request, or of a connection whose bytes pass or not. Dropping it writes
/// the line, so that no end goes unlogged; a name that is still being compared with the address
/// dialled is waited for, for as long as its deadline lets it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) worker: Rc<Worker>,
    pub(crate) connection: Connection,
    pub(crate) protocol: Protocol,
    pub(crate) judged: Judged,
    pub(crate) exchange: Exchange,
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(check) = &self.judged.check
            && check.binding().is_none()
        {
            self.exchange.took = Some(self.exchange.started.elapsed());
            return check.keep(self.clone());
        }
        self.worker.log_decision(
            &self.connection,
            self.protocol,
            &self.judged,
            &self.exchange,
        );
    }
}

impl Worker {
    /// Writes the line of a judged request, when it is over.
    pub(crate) fn log_decision(
        &self,
        connection: &Connection,
        protocol: Protocol,
        judged: &Judged,
        exchange: &Exchange,
    ) {
        self.write(|redact| {
            let mut line = Line::about("decision", connection);
            line.exchange(exchange, redact.query);
            line.decision(judged, protocol);
            if !redact.subscriber {
                line.subscriber(judged);
            }
            line.encode()
        });
    }

    /// Counts and logs a request head that is answered with 400; `reason` is a word of an enum.
    pub(crate) fn log_bad_request(
        &self,
        connection: &Connection,
        reason: &'static str,
        exchange: &Exchange,
    ) {
        self.shared.metrics.bad_request(reason);
        self.write(|redact| {
            let mut line = Line::about("bad_request", connection);
            line.exchange(exchange, redact.query);
            line.reason(reason);
            line.encode()
        });
    }

    /// Counts and logs a connection that is closed before anything is read from it. Of those
    /// over a limit, which may be very many, one in a second is logged.
    pub(crate) fn log_refused(&self, mode: Mode, client: SocketAddr, refusal: Refusal) {
        self.shared.metrics.refused(refusal);
        if let Some(limit) = refusal.limit() {
            self.shared.metrics.reached(limit);
            if !self.shared.refusals.is_first() {
                return;
            }
            tracing::warn!(limit = limit.as_str(), "connections over a limit are reset");
        }
        self.write(|_| {
            let mut line = Line::new("refused", mode, client);
            line.reason(refusal.as_str());
            line.encode()
        });
    }

    /// Hands a line over, if there is a log.
    fn write(&self, line: impl FnOnce(Redact) -> Option<Vec<u8>>) {
        let live = self.shared.live.load();
        let Some(config) = &live.config.access_log else {
            return;
        };
        let redact = Redact {
            subscriber: config.redact_subscriber,
            query: config.redact_query,
        };
        match line(redact) {
            Some(line) => self.shared.access_log.write(line),
            None => self.shared.access_log.dropped(),
        }
    }
}

/// What a line leaves out.
#[derive(Clone, Copy, Debug)]
struct Redact {
    subscriber: bool,
    query: bool,
}

#[cfg(test)]
mod tests;
