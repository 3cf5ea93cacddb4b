//! Sends the trials from the client's namespace, and sees what comes back.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::mark::Mark;
use super::trial::Trial;
use crate::evasion::case::Sending;
use crate::lab::Lab;

/// Connections at once.
const CONNECTIONS: usize = 48;
/// Longest wait for a connection, and for room to write.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Longest wait for the first byte: longer than any filter's own wait for a Client Hello.
const FIRST_MAX: Duration = Duration::from_secs(18);
/// Longest wait for a further byte: long enough for a second answer.
const NEXT_MAX: Duration = Duration::from_millis(1500);
/// Bytes of an answer at most.
const ANSWER_MAX: usize = 256 * 1024;

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Whether it has a mark of something allowed.
    pub allowed: bool,
    /// Whether it has a mark of something in neither list.
    pub other: bool,
    /// Whether it has a mark of something blocked.
    pub blocked: bool,
    /// Whether it has a Server Hello.
    pub hello: bool,
    /// Its first bytes, for people.
    pub start: String,
}

/// Sends all trials that `chosen` takes, and returns what came back in their order.
pub fn all(
    lab: &Lab,
    trials: &[Trial],
    chosen: impl Fn(&Trial) -> bool + Sync,
) -> Vec<Option<Seen>> {
    let next = AtomicUsize::new(0);
    let seen = Mutex::new(vec![None; trials.len()]);
    let work = || {
        while let Some((index, trial)) = next_of(&next, trials) {
            if chosen(trial) {
                let came = one(trial);
                seen.lock().expect("no panic while sending")[index] = Some(came);
            }
        }
    };
    lab.within(&lab.client, || {
        std::thread::scope(|scope| {
            for _ in 0..CONNECTIONS {
                scope.spawn(work);
            }
        });
    });
    seen.into_inner().expect("no panic while sending")
}

fn next_of<'a>(next: &AtomicUsize, trials: &'a [Trial]) -> Option<(usize, &'a Trial)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, trials.get(index)?))
}

fn one(trial: &Trial) -> Seen {
    let answer = TcpStream::connect_timeout(&trial.to, CONNECT_MAX).map(|mut socket| {
        // Whoever closes early has answered already, or never will.
        let _ = write(&mut socket, &trial.attempt.sending);
        read(&mut socket)
    });
    seen(&answer.unwrap_or_default())
}

fn write(socket: &mut TcpStream, sending: &Sending) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    socket.set_write_timeout(Some(CONNECT_MAX))?;
    for (index, piece) in sending.pieces.iter().enumerate() {
        if index > 0 {
            std::thread::sleep(sending.pause);
        }
        socket.write_all(piece)?;
    }
    Ok(())
}

/// Reads until the end, a silence, or an answer that is clear.
fn read(socket: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut bytes = [0; 16 * 1024];
    let start = Instant::now();
    while answer.len() < ANSWER_MAX && start.elapsed() < 2 * FIRST_MAX {
        let wait = if answer.is_empty() {
            FIRST_MAX
        } else {
            NEXT_MAX
        };
        let _ = socket.set_read_timeout(Some(wait));
        match socket.read(&mut bytes) {
            Ok(len) if len > 0 => answer.extend_from_slice(&bytes[..len]),
            Ok(_) | Err(_) => break,
        }
        let so_far = seen(&answer);
        if so_far.blocked || so_far.hello {
            break;
        }
    }
    answer
}

fn seen(answer: &[u8]) -> Seen {
    let has = |mark: Mark| {
        let text = mark.text().as_bytes();
        answer.windows(text.len()).any(|part| part == text)
    };
    // After the answer to a CONNECT, or at once.
    let inside = answer.windows(4).position(|part| part == b"\r\n\r\n");
    let hello = |bytes: &[u8]| matches!(bytes, [22, 3, _, _, _, 2, ..]);
    let start = &answer[..answer.len().min(300)];
    Seen {
        allowed: has(Mark::Allowed),
        other: has(Mark::Other),
        blocked: has(Mark::Blocked),
        hello: hello(answer) || inside.is_some_and(|at| hello(&answer[at + 4..])),
        start: start.escape_ascii().to_string(),
    }
}
