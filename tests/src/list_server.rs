//! A web server that category files are fetched from, which behaves as a test says.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::client::find;
use crate::{WAIT_MAX, wait_for};

/// How long a slow answer takes for its next byte.
const SLOW: Duration = Duration::from_millis(200);

/// What is answered for a path.
#[derive(Clone, Debug)]
pub enum Served {
    /// The bytes, with this `ETag`; 304 to who has it.
    File(Vec<u8>, &'static str),
    /// The bytes, and a length of one more, then the connection ends.
    CutOff(Vec<u8>),
    /// So many bytes in chunks, without a length.
    Unannounced(usize),
    /// A byte now and then, for ever.
    Slow,
    /// This status, with an empty body.
    Status(u16),
    /// 302 to this URL.
    Redirect(String),
}

/// A running server.
#[derive(Debug)]
pub struct ListServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its certificate in PEM, for those who should trust it. None: it speaks plain HTTP.
    pub certificate: Option<String>,
    files: Arc<Mutex<BTreeMap<String, Served>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl ListServer {
    /// Starts a server without TLS.
    pub fn http(address: SocketAddr) -> Self {
        Self::start(address, None)
    }

    /// Starts a server with TLS.
    pub fn https() -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]);
        let made = made.expect("a certificate");
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der())
            .expect("a key of its own");
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a certificate and its key");
        let any = "127.0.0.1:0".parse().unwrap();
        Self {
            certificate: Some(made.cert.pem()),
            ..Self::start(any, Some(Arc::new(config)))
        }
    }

    fn start(address: SocketAddr, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(address).expect("an address to listen on");
        let server = Self {
            address: listener.local_addr().unwrap(),
            certificate: None,
            files: Arc::default(),
            requests: Arc::default(),
        };
        let (files, requests) = (Arc::clone(&server.files), Arc::clone(&server.requests));
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let (files, requests) = (Arc::clone(&files), Arc::clone(&requests));
                let tls = tls.clone();
                std::thread::spawn(move || {
                    let _ = socket.set_read_timeout(Some(WAIT_MAX));
                    let _ = socket.set_write_timeout(Some(WAIT_MAX));
                    // Who does not read to the end is no fault of the server.
                    let _ = match tls {
                        None => serve(socket, &files, &requests),
                        Some(config) => {
                            let connection =
                                ServerConnection::new(config).expect("a good configuration");
                            serve(StreamOwned::new(connection, socket), &files, &requests)
                        }
                    };
                });
            }
        });
        server
    }

    /// Answers a path so from now on.
    pub fn serve(&self, path: &str, served: Served) {
        self.files.lock().unwrap().insert(path.to_owned(), served);
    }

    /// Returns the URL of a path.
    pub fn url(&self, path: &str) -> String {
        let scheme = ["http", "https"][usize::from(self.certificate.is_some())];
        format!("{scheme}://{}{path}", self.address)
    }

    /// Returns the heads of all requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits for a request after the first `before` that contains all of `parts`.
    #[track_caller]
    pub fn wait_for_request(&self, before: usize, parts: &[&str]) {
        wait_for(&format!("a request with {parts:?}"), || {
            let requests = self.requests().into_iter().skip(before);
            let mut found = requests.filter(|head| parts.iter().all(|part| head.contains(part)));
            found.next()
        });
    }
}

/// Answers one request.
fn serve(
    mut io: impl Read + Write,
    files: &Mutex<BTreeMap<String, Served>>,
    requests: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while find(&head, b"\r\n\r\n").is_none() {
        let mut bytes = [0; 4096];
        match io.read(&mut bytes)? {
            0 => return Ok(()),
            len => head.extend_from_slice(&bytes[..len]),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    requests.lock().unwrap().push(head.clone());
    let path = head.split(' ').nth(1).unwrap_or_default();
    let served = files.lock().unwrap().get(path).cloned();
    match served.unwrap_or(Served::Status(404)) {
        Served::File(_, etag) if head.contains(&format!("\r\nif-none-match: {etag}\r\n")) => {
            answer(&mut io, 304, &format!("ETag: {etag}\r\n"), b"")?;
        }
        Served::File(bytes, etag) => {
            let fields = format!("ETag: {etag}\r\nContent-Length: {}\r\n", bytes.len());
            answer(&mut io, 200, &fields, &bytes)?;
        }
        Served::CutOff(bytes) => {
            let fields = format!("Content-Length: {}\r\n", bytes.len() + 1);
            answer(&mut io, 200, &fields, &bytes)?;
        }
        Served::Unannounced(len) => {
            let chunk = [b"1000\r\n", &[b'x'; 4096][..], b"\r\n"].concat();
            answer(&mut io, 200, "Transfer-Encoding: chunked\r\n", b"")?;
            for _ in 0..len / 4096 {
                io.write_all(&chunk)?;
            }
            io.write_all(b"0\r\n\r\n")?;
        }
        Served::Slow => {
            answer(&mut io, 200, "Content-Length: 1000\r\n", b"")?;
            for _ in 0..1000 {
                std::thread::sleep(SLOW);
                io.write_all(b"x")?;
                io.flush()?;
            }
        }
        Served::Status(status) => answer(&mut io, status, "Content-Length: 0\r\n", b"")?,
        Served::Redirect(url) => {
            let fields = format!("Location: {url}\r\nContent-Length: 0\r\n");
            answer(&mut io, 302, &fields, b"")?;
        }
    }
    io.flush()
}

fn answer(io: &mut impl Write, status: u16, fields: &str, body: &[u8]) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 {status} Said\r\nConnection: close\r\n{fields}\r\n");
    io.write_all(head.as_bytes())?;
    io.write_all(body)?;
    io.flush()
}
