//! An origin that notes every byte that arrives, and answers each request with an empty 200.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::client::find;
use crate::evasion::finding::Arrival;
use crate::{WAIT_MAX, wait_for};

/// The ports of the origin.
pub const PORTS: [u16; 2] = [80, 443];

/// A connection may have been made and not yet be accepted.
const ACCEPT_WAIT: Duration = Duration::from_millis(10);

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// The running origin.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    connections: Arc<Mutex<Vec<Connection>>>,
}

#[derive(Debug)]
struct Connection {
    id: usize,
    peer: IpAddr,
    arrival: Arrival,
    is_open: bool,
}

impl Recorder {
    /// Starts it on all addresses of a namespace. It ends with the test.
    ///
    /// # Panics
    ///
    /// Fails the test if the ports are taken.
    pub fn start(namespace: &str) -> Self {
        let recorder = Self::default();
        for port in PORTS {
            let (recorder, namespace) = (recorder.clone(), namespace.to_owned());
            let (ready, is_ready) = std::sync::mpsc::channel();
            std::thread::spawn(move || {
                crate::lab::enter(&namespace);
                let listener = TcpListener::bind(("::", port)).expect("a free port");
                ready.send(()).expect("the test waits");
                for (count, socket) in listener.incoming().map_while(Result::ok).enumerate() {
                    let recorder = recorder.clone();
                    let id = count * PORTS.len() + usize::from(port == PORTS[1]);
                    recorder.open(id, &socket);
                    std::thread::spawn(move || recorder.serve(id, socket));
                }
            });
            is_ready.recv_timeout(WAIT_MAX).expect("the origin listens");
        }
        recorder
    }

    /// Waits until all connections from these addresses have ended, and returns them.
    ///
    /// # Panics
    ///
    /// Fails the test if one stays open.
    #[track_caller]
    pub fn take(&self, peers: &[IpAddr]) -> Vec<Arrival> {
        std::thread::sleep(ACCEPT_WAIT);
        wait_for("the connections to the origin to end", || {
            let mut connections = self.connections.lock().unwrap();
            let is_theirs = |connection: &Connection| peers.contains(&connection.peer);
            if connections.iter().any(|c| is_theirs(c) && c.is_open) {
                return None;
            }
            let theirs = connections.extract_if(.., |connection| is_theirs(connection));
            Some(theirs.map(|connection| connection.arrival).collect())
        })
    }

    fn open(&self, id: usize, socket: &TcpStream) {
        let plain =
            |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let (Ok(peer), Ok(at)) = (socket.peer_addr(), socket.local_addr()) else {
            return;
        };
        self.connections.lock().unwrap().push(Connection {
            id,
            peer: plain(peer).ip(),
            arrival: Arrival {
                at: plain(at),
                bytes: Vec::new(),
            },
            is_open: true,
        });
    }

    fn serve(&self, id: usize, mut socket: TcpStream) {
        let _ = socket.set_read_timeout(Some(WAIT_MAX));
        let _ = socket.set_nodelay(true);
        let is_http = socket.local_addr().is_ok_and(|at| at.port() == PORTS[0]);
        let mut unanswered = Vec::new();
        let mut bytes = [0; 16 * 1024];
        while let Ok(len) = socket.read(&mut bytes) {
            if len == 0 {
                break;
            }
            self.note(id, |connection| {
                connection.arrival.bytes.extend_from_slice(&bytes[..len]);
            });
            unanswered.extend_from_slice(&bytes[..len]);
            while is_http && let Some(end) = request_end(&unanswered) {
                unanswered.drain(..end);
                let _ = socket.write_all(ANSWER);
            }
        }
        drop(socket);
        self.note(id, |connection| connection.is_open = false);
    }

    fn note(&self, id: usize, change: impl FnOnce(&mut Connection)) {
        let mut connections = self.connections.lock().unwrap();
        let found = connections
            .iter_mut()
            .find(|connection| connection.id == id);
        found.map(change);
    }
}

/// Returns where the first request ends, if it is whole. It is read as simply as can be.
fn request_end(bytes: &[u8]) -> Option<usize> {
    let head_end = find(bytes, b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..head_end]).to_ascii_lowercase();
    let field = |name: &str| {
        let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut found = lines.filter(|(found, _)| *found == name);
        found.next().map(|(_, value)| value.trim().to_owned())
    };
    let body = &bytes[head_end..];
    let body_len = if field("transfer-encoding").is_some() {
        chunks_len(body)?
    } else {
        let len = field("content-length").map_or(Some(0), |len| len.parse().ok());
        len.unwrap_or(0)
    };
    (body_len <= body.len()).then_some(head_end + body_len)
}

/// Returns the length of a chunked body, if it is whole.
fn chunks_len(body: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line_end = at + find(&body[at..], b"\r\n")?;
        let line = String::from_utf8_lossy(&body[at..line_end]).into_owned();
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        at = line_end + 2;
        if size == 0 {
            break;
        }
        at += size + 2;
        if at > body.len() {
            return None;
        }
    }
    if body[at..].starts_with(b"\r\n") {
        return Some(at + 2);
    }
    find(&body[at..], b"\r\n\r\n").map(|end| at + end + 4)
}
