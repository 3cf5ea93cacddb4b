//! Reading the first bytes until they have a verdict.

use client_hello::{ClientHello, Detector, Peek, Unreadable};
use filter::Undecidable;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::memory::HelloMemory;
use crate::config::HelloLimits;
use crate::connection::ClientStream;

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
pub(super) async fn read(
    client: &mut ClientStream,
    limits: HelloLimits,
    memory: &HelloMemory,
) -> Option<Seen> {
    // From the start of the connection, so that a client who is silent is waited for no longer
    // than one who is slow.
    let seen = read_to_verdict(client, limits, memory);
    match timeout(limits.deadline, seen).await {
        Ok(seen) => seen,
        Err(_) => Some(Seen::Undecidable(Undecidable::HelloTooLate)),
    }
}

async fn read_to_verdict(
    client: &mut ClientStream,
    limits: HelloLimits,
    memory: &HelloMemory,
) -> Option<Seen> {
    let mut detector = Detector::new(limits.bytes_max);
    loop {
        if let Some(seen) = verdict(detector.look(&client.read_ahead)) {
            return Some(seen);
        }
        let (read_ahead, held) = (&mut client.read_ahead, &mut client.held);
        let room = memory.make_room(read_ahead, held, limits.memory_bytes_max);
        if room.is_err() {
            return Some(Seen::Undecidable(Undecidable::HelloOverload));
        }
        match client.socket.read_buf(read_ahead).await {
            Ok(0) if !read_ahead.is_empty() => {
                return Some(Seen::Undecidable(Undecidable::HelloMalformed));
            }
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
        Peek::Unreadable(Unreadable::Sslv2) => Undecidable::Sslv2Hello,
    };
    Some(Seen::Undecidable(undecidable))
}
