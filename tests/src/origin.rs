//! A web server that remembers every byte of every request head, and answers by path.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::client::find;
use crate::{WAIT_MAX, wait_for};

/// A running origin.
///
/// It answers 200 with `origin NAME: METHOD TARGET` to any request, except for these paths:
/// `/size/N` (N bytes), `/chunked/N` (N chunks of ten bytes), `/echo` (the body), `/status/N`,
/// `/close` (closes after the answer), `/websocket` (101, then echoes), `/continue` (100 before
/// it reads a body), `/location/URI` (302 to the URI), `/refuse` (417 without reading the body), `/slow/N` (waits N milliseconds),
/// `/gated` (waits until [`Origin::open_gate`]).
#[derive(Debug)]
pub struct Origin {
    /// Where it listens.
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
    clients: Arc<Mutex<Vec<IpAddr>>>,
    gate: Arc<AtomicBool>,
}

impl Origin {
    /// Starts an origin on a port of the system's choice on 127.0.0.1.
    pub fn start(name: &'static str) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), name)
    }

    /// Starts an origin at this address.
    pub fn start_at(address: SocketAddr, name: &'static str) -> Self {
        let listener = TcpListener::bind(address).expect("an address to listen on");
        let origin = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            clients: Arc::default(),
            gate: Arc::default(),
        };
        let requests = Arc::clone(&origin.requests);
        let clients = Arc::clone(&origin.clients);
        let gate = Arc::clone(&origin.gate);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let Ok(client) = socket.peer_addr() else {
                    continue;
                };
                clients.lock().unwrap().push(client.ip());
                let (requests, gate) = (Arc::clone(&requests), Arc::clone(&gate));
                std::thread::spawn(move || {
                    let _ = socket.set_read_timeout(Some(WAIT_MAX));
                    let _ = socket.set_nodelay(true);
                    serve_gated(socket, name, &requests, &gate);
                });
            }
        });
        origin
    }

    /// Returns the heads of all requests so far, as received.
    pub fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .map(|head| String::from_utf8_lossy(head).into_owned())
            .collect()
    }

    /// Returns how many connections were made so far.
    pub fn connections(&self) -> usize {
        self.clients.lock().unwrap().len()
    }

    /// Returns from where connections were made so far, in their order.
    pub fn clients(&self) -> Vec<IpAddr> {
        self.clients.lock().unwrap().clone()
    }

    /// Lets requests for `/gated` be answered from now on.
    pub fn open_gate(&self) {
        self.gate.store(true, Ordering::Release);
    }

    /// Waits until there are `count` requests, and returns them.
    #[track_caller]
    pub fn wait_for_requests(&self, count: usize) -> Vec<String> {
        wait_for("requests at the origin", || {
            Some(self.requests()).filter(|requests| requests.len() >= count)
        })
    }
}

/// Serves one connection, of TCP or TLS, until it ends.
pub fn serve(io: impl Read + Write, name: &str, requests: &Mutex<Vec<Vec<u8>>>) {
    serve_gated(io, name, requests, &AtomicBool::new(true));
}

fn serve_gated(
    mut io: impl Read + Write,
    name: &str,
    requests: &Mutex<Vec<Vec<u8>>>,
    gate: &AtomicBool,
) {
    let mut buffer = Vec::new();
    while let Some(head) = read_head(&mut io, &mut buffer) {
        requests.lock().unwrap().push(head.clone());
        if head.windows(6).any(|part| part == b"/gated") {
            wait_for("the gate", || gate.load(Ordering::Acquire).then_some(()));
        }
        if answer(&mut io, &mut buffer, &head, name).is_none() {
            return;
        }
    }
}

/// Answers one request; nothing means that the connection is over.
fn answer(
    io: &mut (impl Read + Write),
    buffer: &mut Vec<u8>,
    head: &[u8],
    name: &str,
) -> Option<()> {
    let text = String::from_utf8_lossy(head).into_owned();
    let mut words = text.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let path = target.split('?').next()?;
    let mut parts = path.trim_start_matches('/').split('/');
    let (first, number) = (
        parts.next()?,
        parts.next().and_then(|n| n.parse::<usize>().ok()),
    );
    if first == "refuse" {
        io.write_all(
            b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        )
        .ok()?;
        return None;
    }
    if first == "continue" {
        io.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let body = read_body(io, buffer, &text)?;
    match (first, number) {
        ("size", Some(len)) => respond(io, method, 200, &vec![b'x'; len])?,
        ("echo" | "continue", _) => respond(io, method, 200, &body)?,
        ("location", _) => {
            let location = target.trim_start_matches("/location/");
            let answer =
                format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
            io.write_all(answer.as_bytes()).ok()?;
        }
        ("status", Some(status)) => respond(io, method, status, b"")?,
        ("slow", Some(millis)) => {
            std::thread::sleep(std::time::Duration::from_millis(millis as u64));
            respond(io, method, 200, b"late")?;
        }
        ("chunked", Some(count)) => {
            io.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                .ok()?;
            for _ in 0..count {
                io.write_all(b"a\r\n0123456789\r\n").ok()?;
            }
            io.write_all(b"0\r\n\r\n").ok()?;
        }
        ("close", _) => {
            io.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end")
                .ok()?;
            return None;
        }
        ("websocket", _) => {
            io.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n").ok()?;
            let mut bytes = std::mem::take(buffer);
            io.write_all(&bytes).ok()?;
            bytes.resize(4096, 0);
            loop {
                let len = io.read(&mut bytes).ok().filter(|len| *len > 0)?;
                io.write_all(&bytes[..len]).ok()?;
            }
        }
        _ => respond(
            io,
            method,
            200,
            format!("origin {name}: {method} {target}\n").as_bytes(),
        )?,
    }
    Some(())
}

fn respond(io: &mut impl Write, method: &str, status: usize, body: &[u8]) -> Option<()> {
    let head = format!(
        "HTTP/1.1 {status} Said\r\nContent-Length: {}\r\nContent-Type: text/plain\r\n\r\n",
        body.len()
    );
    io.write_all(head.as_bytes()).ok()?;
    if method != "HEAD" {
        io.write_all(body).ok()?;
    }
    io.flush().ok()
}

fn read_head(io: &mut impl Read, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            return Some(buffer.drain(..end + 4).collect());
        }
        fill(io, buffer)?;
    }
}

fn read_body(io: &mut impl Read, buffer: &mut Vec<u8>, head: &str) -> Option<Vec<u8>> {
    let head = head.to_ascii_lowercase();
    let value = |name: &str| {
        let line = head.lines().find(|line| line.starts_with(name))?;
        Some(line[name.len()..].trim().to_owned())
    };
    if value("transfer-encoding:").is_some() {
        let mut body = Vec::new();
        loop {
            let line = read_until(io, buffer, b"\r\n")?;
            let line = String::from_utf8_lossy(&line).into_owned();
            let len = usize::from_str_radix(line.trim().split(';').next()?, 16).ok()?;
            body.extend(take(io, buffer, len)?);
            read_until(io, buffer, b"\r\n")?;
            if len == 0 {
                return Some(body);
            }
        }
    }
    let len = value("content-length:").map_or(Some(0), |len| len.parse().ok())?;
    take(io, buffer, len)
}

fn read_until(io: &mut impl Read, buffer: &mut Vec<u8>, end: &[u8]) -> Option<Vec<u8>> {
    loop {
        if let Some(at) = find(buffer, end) {
            return Some(buffer.drain(..at + end.len()).collect());
        }
        fill(io, buffer)?;
    }
}

fn take(io: &mut impl Read, buffer: &mut Vec<u8>, len: usize) -> Option<Vec<u8>> {
    while buffer.len() < len {
        fill(io, buffer)?;
    }
    Some(buffer.drain(..len).collect())
}

fn fill(io: &mut impl Read, buffer: &mut Vec<u8>) -> Option<()> {
    let mut bytes = [0; 64 * 1024];
    let len = io.read(&mut bytes).ok().filter(|len| *len > 0)?;
    buffer.extend_from_slice(&bytes[..len]);
    Some(())
}
