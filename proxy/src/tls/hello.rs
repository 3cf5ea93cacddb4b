//! Reading the first bytes until they have a verdict.

use client_hello::{ClientHello, Detector, Peek, Unreadable};
use filter::Undecidable;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::config::HeadLimits;
use crate::connection::ClientStream;

/// Bytes to make room for at a time: more than one Client Hello of a browser.
const READ_LEN: usize = 4096;

/// What the first bytes were.
#[derive(Debug)]
pub(super) enum Seen {
    /// A Client Hello.
    Hello(ClientHello),
    /// Something that cannot be judged.
    Undecidable(Undecidable),
}

/// Reads ahead until the first bytes have a verdict or the deadline passes, whichever is first.
/// Returns nothing if the client leaves without a byte.
pub(super) async fn read(client: &mut ClientStream, limits: HeadLimits) -> Option<Seen> {
    // From the start of the connection, so that a client who is silent is waited for no longer
    // than one who is slow.
    match timeout(limits.deadline, read_to_verdict(client, limits.bytes_max)).await {
        Ok(seen) => seen,
        Err(_) => Some(Seen::Undecidable(Undecidable::HelloTooLate)),
    }
}

async fn read_to_verdict(client: &mut ClientStream, bytes_max: usize) -> Option<Seen> {
    let mut detector = Detector::new(bytes_max);
    let mut fed = 0;
    loop {
        let peek = detector.feed(client.read_ahead.get(fed..).unwrap_or_default());
        fed = client.read_ahead.len();
        if let Some(seen) = verdict(peek) {
            return Some(seen);
        }
        client.read_ahead.reserve(READ_LEN);
        match client.socket.read_buf(&mut client.read_ahead).await {
            Ok(0) if fed > 0 => return Some(Seen::Undecidable(Undecidable::HelloMalformed)),
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

fn verdict(peek: Peek) -> Option<Seen> {
    let undecidable = match peek {
        Peek::NeedMore => return None,
        Peek::Hello(hello) => return Some(Seen::Hello(hello)),
        Peek::NotTls => Undecidable::NotTls,
        Peek::Unreadable(Unreadable::TooLong) => Undecidable::HelloTooLong,
        Peek::Unreadable(Unreadable::Malformed) => Undecidable::HelloMalformed,
        Peek::Unreadable(Unreadable::TwoNames) => Undecidable::TwoNames,
    };
    Some(Seen::Undecidable(undecidable))
}
