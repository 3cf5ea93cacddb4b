//! Limits of connections and waits, reached by clients and origins that are slow, silent or many.

mod long_hellos;
mod many;
mod slow_clients;
mod slow_origins;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};

use tests::WAIT_MAX;
use tests::client::{Client, find};
use tests::gateway::{Gateway, Setup};

const POLICY: &str = "
profiles:
  all:
    default_action: pass
    unknown_action: pass
    error_action: pass
    undecidable_action: block
default_profile: all
";

/// What the program's memory may grow by while it bears with one peer.
const GROWTH_KIB_MAX: u64 = 16 * 1024;

fn setup(limits: &str) -> Setup {
    Setup::new(POLICY)
        .workers(1)
        .proxy_line(&format!("limits: {{{limits}}}"))
}

/// Waits until a limit was reached `count` times, and not more.
#[track_caller]
fn reached(gateway: &mut Gateway, limit: &str, count: u64) {
    let row = format!("weir_limits_reached_total{{limit=\"{limit}\"}}");
    assert_eq!(gateway.wait_for_metric(&row, |it| it >= count), count);
}

/// Waits until no connection is open, that with which the harness looks whether the gateway
/// listens included.
#[track_caller]
fn wait_for_nobody(gateway: &mut Gateway) {
    gateway.wait_for_metric("weir_connections_total", |it| it > 0);
    gateway.wait_for_metric("weir_connections_active", |it| it == 0);
}

/// Returns the client after it asked for this path of `web.test`.
#[track_caller]
fn ask(gateway: &Gateway, path: &str) -> Client {
    let mut client = gateway.client();
    client.send(format!(
        "GET http://web.test{path} HTTP/1.1\r\nHost: web.test\r\n\r\n"
    ));
    client
}

/// Returns a client inside a tunnel to an address, after its Client Hello.
#[track_caller]
fn inside_tunnel(gateway: &Gateway, address: SocketAddr) -> Client {
    let (mut client, status) = gateway.connect(&address.to_string());
    assert_eq!(status, 200);
    let hello = tests::tls::hello(Some(b"web.test"));
    client.send(tests::tls::records(&hello, 16384));
    client
}

/// An origin that does one thing with every connection.
struct ScriptedOrigin {
    address: SocketAddr,
    ended: mpsc::Receiver<()>,
}

impl ScriptedOrigin {
    fn start(serve: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = mpsc::channel();
        let serve = Arc::new(serve);
        std::thread::spawn(move || {
            for mut socket in listener.incoming().map_while(Result::ok) {
                let (serve, end) = (Arc::clone(&serve), end.clone());
                std::thread::spawn(move || {
                    socket.set_read_timeout(Some(WAIT_MAX)).unwrap();
                    socket.set_write_timeout(Some(WAIT_MAX)).unwrap();
                    serve(&mut socket);
                    let _ = end.send(());
                });
            }
        });
        Self { address, ended }
    }

    /// Says nothing until its peer is gone.
    fn silent() -> Self {
        Self::start(|socket| {
            read_head(socket);
            until_gone(socket);
        })
    }

    /// Sends `head`, then `part` again and again until its peer is gone.
    fn endless(head: &'static [u8], part: Vec<u8>) -> Self {
        Self::start(move |socket| {
            // The first bytes of whatever protocol; then it talks.
            let _ = socket.read(&mut [0; 4096]);
            if socket.write_all(head).is_ok() {
                while socket.write_all(&part).is_ok() {}
            }
        })
    }

    /// Waits until a connection has ended.
    #[track_caller]
    fn wait_for_end(&self) {
        self.ended
            .recv_timeout(WAIT_MAX)
            .expect("the origin's connection ends");
    }
}

/// Reads a request head and whatever came with it.
fn read_head(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while find(&bytes, b"\r\n\r\n").is_none() {
        match socket.read(&mut buffer) {
            Ok(len) if len > 0 => bytes.extend_from_slice(&buffer[..len]),
            Ok(_) | Err(_) => break,
        }
    }
    bytes
}

/// Reads until the peer has closed or reset.
fn until_gone(socket: &mut TcpStream) {
    let mut buffer = [0; 4096];
    while socket.read(&mut buffer).is_ok_and(|len| len > 0) {}
}
