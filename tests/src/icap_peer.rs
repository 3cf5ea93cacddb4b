//! An ICAP server that follows a script, for what a good one never does.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::WAIT_MAX;
use crate::client::find;

/// What to do with one REQMOD.
#[derive(Clone, Debug)]
pub enum Reply {
    /// 204 with these header lines, such as `X-Attribute: games`, beside the ISTag.
    Lines(Vec<String>),
    /// These bytes and no others.
    Raw(Vec<u8>),
    /// Nothing, for as long as the client stays.
    Stall,
    /// Nothing, until the gate opens; then 204 with these lines.
    Gated(Vec<String>, Arc<Mutex<bool>>),
    /// 204 with these lines, so long after the question.
    Late(Vec<String>, Duration),
    /// 204 with these lines, a byte at a time with so long between two.
    Drip(Vec<String>, Duration),
    /// The connection is closed.
    Close,
}

/// What the peer does, by the URI asked about.
pub type Script = Arc<dyn Fn(&str) -> Reply + Send + Sync>;

/// A running ICAP peer.
pub struct IcapPeer {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    script: Mutex<Script>,
    tag: Mutex<String>,
    options_ttl_s: Mutex<u32>,
    asked: Mutex<Vec<String>>,
    requests: Mutex<Vec<String>>,
    sockets: Mutex<Vec<TcpStream>>,
    alive: Mutex<bool>,
}

impl IcapPeer {
    /// Starts a peer on a port of the system's choice on 127.0.0.1; one that comes back to its port
    /// needs [`free_address`](crate::peers::free_address).
    pub fn start(script: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), script)
    }

    /// Starts a peer at this address, once it is free.
    pub fn start_at(
        address: SocketAddr,
        script: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = crate::wait_for("the address", || TcpListener::bind(address).ok());
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            script: Mutex::new(Arc::new(script)),
            tag: Mutex::new("\"one\"".to_owned()),
            options_ttl_s: Mutex::new(3600),
            asked: Mutex::default(),
            requests: Mutex::default(),
            sockets: Mutex::default(),
            alive: Mutex::new(true),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                if !*shared.alive.lock().unwrap() {
                    return;
                }
                shared
                    .sockets
                    .lock()
                    .unwrap()
                    .push(socket.try_clone().unwrap());
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    let closing = socket.try_clone().unwrap();
                    serve(socket, &shared);
                    // `kill` keeps a copy of the socket, so dropping ours closes nothing.
                    let _ = closing.shutdown(Shutdown::Both);
                });
            }
        });
        Self { address, state }
    }

    /// Replaces the script.
    pub fn follow(&self, script: impl Fn(&str) -> Reply + Send + Sync + 'static) {
        *self.state.script.lock().unwrap() = Arc::new(script);
    }

    /// Replaces the ISTag of answers from now on.
    pub fn set_tag(&self, tag: &str) {
        *self.state.tag.lock().unwrap() = format!("\"{tag}\"");
    }

    /// Replaces the Options-TTL of answers from now on.
    pub fn set_options_ttl(&self, seconds: u32) {
        *self.state.options_ttl_s.lock().unwrap() = seconds;
    }

    /// Returns the URIs that REQMODs asked about so far.
    pub fn asked(&self) -> Vec<String> {
        self.state.asked.lock().unwrap().clone()
    }

    /// Returns the ICAP heads with encapsulated heads of all REQMODs so far.
    pub fn requests(&self) -> Vec<String> {
        self.state.requests.lock().unwrap().clone()
    }

    /// Stops listening and closes every connection.
    pub fn kill(&self) {
        *self.state.alive.lock().unwrap() = false;
        // Wakes the accept loop, which then drops the listener.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        for socket in self.state.sockets.lock().unwrap().drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for IcapPeer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn serve(mut socket: TcpStream, state: &State) {
    let _ = socket.set_nodelay(true);
    let _ = socket.set_read_timeout(Some(WAIT_MAX * 3));
    let mut buffer = Vec::new();
    while let Some(message) = read_message(&mut socket, &mut buffer) {
        let tag = state.tag.lock().unwrap().clone();
        if message.starts_with("OPTIONS") {
            let ttl_s = *state.options_ttl_s.lock().unwrap();
            let answer = format!(
                "ICAP/1.0 200 OK\r\nMethods: REQMOD\r\nISTag: {tag}\r\nAllow: 204\r\nPreview: 0\r\n\
                 Transfer-Preview: *\r\nX-Include: X-Client-IP, X-Subscriber-ID\r\n\
                 Options-TTL: {ttl_s}\r\nEncapsulated: null-body=0\r\n\r\n"
            );
            if socket.write_all(answer.as_bytes()).is_err() {
                return;
            }
            continue;
        }
        let uri = asked_uri(&message);
        state.asked.lock().unwrap().push(uri.clone());
        state.requests.lock().unwrap().push(message);
        let script = Arc::clone(&state.script.lock().unwrap());
        if reply(&mut socket, script(&uri), state).is_none() {
            return;
        }
    }
}

fn reply(socket: &mut TcpStream, reply: Reply, state: &State) -> Option<()> {
    let answer = |lines: &[String]| {
        let tag = state.tag.lock().unwrap().clone();
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        format!("ICAP/1.0 204 No Content\r\nISTag: {tag}\r\n{lines}\r\n")
    };
    match reply {
        Reply::Lines(lines) => socket.write_all(answer(&lines).as_bytes()).ok(),
        Reply::Raw(bytes) => socket.write_all(&bytes).ok(),
        Reply::Close => None,
        Reply::Stall => {
            let mut byte = [0; 1];
            while socket.read(&mut byte).is_ok_and(|len| len > 0) {}
            None
        }
        Reply::Late(lines, after) => {
            std::thread::sleep(after);
            socket.write_all(answer(&lines).as_bytes()).ok()
        }
        Reply::Drip(lines, pause) => answer(&lines).bytes().try_for_each(|byte| {
            std::thread::sleep(pause);
            socket.write_all(&[byte]).ok()
        }),
        Reply::Gated(lines, gate) => {
            crate::wait_for("the gate", || gate.lock().unwrap().then_some(()));
            socket.write_all(answer(&lines).as_bytes()).ok()
        }
    }
}

/// Reads one message: its ICAP head and the encapsulated head, which has no body.
fn read_message(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let len = head
                .split_once("null-body=")
                .and_then(|(_, rest)| rest.split(['\r', ',']).next()?.trim().parse::<usize>().ok())
                .unwrap_or(0);
            if buffer.len() >= end + 4 + len {
                let message = buffer.drain(..end + 4 + len).collect();
                return String::from_utf8(message).ok();
            }
        }
        let mut bytes = [0; 16 * 1024];
        let len = socket.read(&mut bytes).ok().filter(|len| *len > 0)?;
        buffer.extend_from_slice(&bytes[..len]);
    }
}

fn asked_uri(message: &str) -> String {
    let encapsulated = message.split_once("\r\n\r\n").map_or("", |(_, rest)| rest);
    encapsulated
        .split(' ')
        .nth(1)
        .unwrap_or_default()
        .to_owned()
}
