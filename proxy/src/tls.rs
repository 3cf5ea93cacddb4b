//! TLS on a client connection: read the Client Hello, judge, forward untouched.

mod hello;
mod memory;
mod target;

use std::rc::Rc;

use filter::{Enforcement, Protocol};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::access_log::{Entry, Exchange};
use crate::close;
use crate::connection::{ClientStream, Connection};
use crate::limit::Limit;
use crate::worker::Worker;
use target::Requested;

pub(crate) use memory::{Held, HelloMemory};

/// A record with the fatal alert `access_denied` (RFC 8446 section 6): type, version, length,
/// level, description.
const ACCESS_DENIED: [u8; 7] = [21, 3, 3, 0, 2, 2, 49];

/// Serves one client connection that should start with a Client Hello.
pub(crate) async fn serve(worker: Rc<Worker>, connection: Connection, mut client: ClientStream) {
    let mut exchange = Exchange::new();
    let limits = worker.shared.live.load().config.client_hello;
    let Some(seen) = hello::read(&mut client, limits, &worker.shared.hello_memory).await else {
        // The client left before it said anything: there is nothing to judge.
        return;
    };
    if let hello::Seen::Undecidable(undecidable) = &seen
        && let Some(limit) = Limit::of_hello(*undecidable)
    {
        worker.shared.metrics.reached(limit);
    }
    let requested = Requested::new(&connection, &seen);
    if let hello::Seen::Hello(hello) = seen {
        if hello.ech {
            exchange.ech = true;
            worker.shared.metrics.encrypted_hellos.inc();
        }
        exchange.sni = hello.sni;
    }
    exchange.uri = requested.uri().map(ToString::to_string);
    let judged = worker
        .judge(&connection, Protocol::Tls, requested.target())
        .await;
    tracing::debug!(
        client = %connection.client,
        uri = exchange.uri.as_deref(),
        action = ?judged.decision.action,
        source = judged.decision.source.as_str(),
        "decided"
    );
    let enforcement = judged.decision.enforcement(Protocol::Tls);
    let mut entry = Entry {
        worker: Rc::clone(&worker),
        connection: connection.clone(),
        protocol: Protocol::Tls,
        judged,
        exchange,
    };
    worker
        .enforce(enforcement, &connection, client, &mut entry.exchange)
        .await;
}

impl Worker {
    /// Does to a TLS connection what was decided. Nothing but TLS is ever written to it.
    async fn enforce(
        &self,
        enforcement: Enforcement,
        connection: &Connection,
        client: ClientStream,
        exchange: &mut Exchange,
    ) {
        exchange.bytes_in = u64::try_from(client.read_ahead.len()).unwrap_or(u64::MAX);
        let mut socket = match enforcement {
            Enforcement::Forward => return self.forward(connection, client, exchange).await,
            Enforcement::Reset => return close::reset(client.socket),
            // A decision is never enforced as a redirect here; without a byte is what is safe.
            Enforcement::Discard | Enforcement::Redirect | Enforcement::Forbid => {
                client.into_socket()
            }
        };
        if enforcement == Enforcement::Forbid {
            let alert = socket.write_all(&ACCESS_DENIED);
            if let Ok(Ok(())) = timeout(close::LINGER_WAIT, alert).await {
                exchange.bytes_out = ACCESS_DENIED.len() as u64;
            }
        }
        close::quietly(socket).await;
    }
}

#[cfg(test)]
mod tests;
