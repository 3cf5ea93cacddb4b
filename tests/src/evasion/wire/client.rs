//! One connection of a client: what is sent, and what comes back.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::WAIT_MAX;
use crate::evasion::case::Sending;

/// What came of a connection.
#[derive(Clone, Debug)]
pub struct Exchanged {
    /// The client's own address and port.
    pub client: SocketAddr,
    /// All bytes that came back.
    pub answer: Vec<u8>,
    /// How it ended.
    pub end: End,
}

/// How a client knows that nothing more comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// It closes its sending side and waits for the other side to close.
    Halved,
    /// It waits for the other side to close, or to be quiet for so long; then it closes.
    Quiet(Duration),
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// As the client expects.
    Ended,
    /// Nothing happened within [`WAIT_MAX`].
    Hung,
}

/// Connects from an address of the client, sends, and reads to the end.
///
/// # Panics
///
/// Fails the test if no connection can be had.
#[track_caller]
pub fn exchange(from: IpAddr, to: SocketAddr, sending: &Sending, ending: Ending) -> Exchanged {
    let mut socket = connect(from, to);
    let client = socket.local_addr().expect("an address");
    let client = SocketAddr::new(client.ip().to_canonical(), client.port());
    for (at, piece) in sending.pieces.iter().enumerate() {
        if at > 0 && !sending.pause.is_zero() {
            std::thread::sleep(sending.pause);
        }
        // A filter that has seen enough may be gone.
        if socket.write_all(piece).is_err() {
            break;
        }
    }
    match ending {
        Ending::Halved => {
            let _ = socket.shutdown(Shutdown::Write);
        }
        Ending::Quiet(wait) => socket.set_read_timeout(Some(wait)).expect("a time-out"),
    }
    let (answer, end) = read_to_end(&mut socket, ending);
    Exchanged {
        client,
        answer,
        end,
    }
}

fn connect(from: IpAddr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).expect("a socket");
    socket
        .bind(&SocketAddr::new(from, 0).into())
        .expect("an address of ours");
    socket
        .connect_timeout(&to.into(), WAIT_MAX)
        .expect("a connection");
    let socket = TcpStream::from(socket);
    socket.set_nodelay(true).expect("an option");
    socket.set_read_timeout(Some(WAIT_MAX)).expect("a time-out");
    socket
        .set_write_timeout(Some(WAIT_MAX))
        .expect("a time-out");
    socket
}

fn read_to_end(socket: &mut TcpStream, ending: Ending) -> (Vec<u8>, End) {
    let mut answer = Vec::new();
    let mut bytes = [0; 16 * 1024];
    loop {
        match socket.read(&mut bytes) {
            Ok(0) => return (answer, End::Ended),
            Ok(len) => answer.extend_from_slice(&bytes[..len]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
                return match ending {
                    Ending::Halved => (answer, End::Hung),
                    Ending::Quiet(_) => (answer, End::Ended),
                };
            }
            Err(_) => return (answer, End::Ended),
        }
    }
}
