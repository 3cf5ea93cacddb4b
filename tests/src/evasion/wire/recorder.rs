//! An origin that notes every byte that arrives, and answers each request with an empty 200.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustix::event::{PollFd, PollFlags, poll};

use crate::client::find;
use crate::evasion::finding::Arrival;
use crate::{WAIT_MAX, wait_for};

/// The ports of the origin.
pub const PORTS: [u16; 2] = [80, 443];

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// The running origin.
#[derive(Clone, Debug)]
pub struct Recorder {
    listeners: Arc<[TcpListener; PORTS.len()]>,
    connections: Arc<Mutex<Connections>>,
}

#[derive(Debug, Default)]
struct Connections {
    count: usize,
    all: Vec<Connection>,
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
        let listeners = std::thread::scope(|scope| {
            let listening = scope.spawn(|| {
                crate::lab::enter(namespace);
                PORTS.map(|port| {
                    let listener = TcpListener::bind(("::", port)).expect("a free port");
                    listener.set_nonblocking(true).expect("an option");
                    listener
                })
            });
            listening.join().expect("the origin listens")
        });
        let recorder = Self {
            listeners: Arc::new(listeners),
            connections: Arc::default(),
        };
        for nth in 0..PORTS.len() {
            let recorder = recorder.clone();
            std::thread::spawn(move || {
                loop {
                    let listener = &recorder.listeners[nth];
                    let mut waiting = [PollFd::new(listener, PollFlags::IN)];
                    poll(&mut waiting, None).expect("a listener to wait for");
                    recorder.accept(listener);
                }
            });
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
        // One may have been made whose bytes nobody has looked at yet.
        for listener in &*self.listeners {
            self.accept(listener);
        }
        wait_for("the connections to the origin to end", || {
            let connections = &mut self.connections.lock().unwrap().all;
            let is_theirs = |connection: &Connection| peers.contains(&connection.peer);
            if connections.iter().any(|c| is_theirs(c) && c.is_open) {
                return None;
            }
            let theirs = connections.extract_if(.., |connection| is_theirs(connection));
            Some(theirs.map(|connection| connection.arrival).collect())
        })
    }

    /// Accepts all connections that wait, whoever comes for them first: when it returns, each that
    /// had been made before is noted.
    fn accept(&self, listener: &TcpListener) {
        let mut connections = self.connections.lock().unwrap();
        while let Ok((socket, _)) = listener.accept() {
            let id = connections.count;
            connections.count += 1;
            let _ = socket.set_nonblocking(false);
            connections.all.extend(Connection::open(id, &socket));
            let recorder = self.clone();
            std::thread::spawn(move || recorder.serve(id, socket));
        }
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
        let connections = &mut self.connections.lock().unwrap().all;
        let found = connections
            .iter_mut()
            .find(|connection| connection.id == id);
        found.map(change);
    }
}

impl Connection {
    fn open(id: usize, socket: &TcpStream) -> Option<Self> {
        let plain =
            |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let (peer, at) = (socket.peer_addr().ok()?, socket.local_addr().ok()?);
        Some(Self {
            id,
            peer: plain(peer).ip(),
            arrival: Arrival {
                at: plain(at),
                bytes: Vec::new(),
            },
            is_open: true,
        })
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
