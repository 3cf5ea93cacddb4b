//! TLS peers: an origin and a client of rustls, and Client Hellos made by hand.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use rustls::{Stream, StreamOwned};

use crate::{WAIT_MAX, origin};

/// A web server on TLS that remembers what it was asked; answers as [`origin::Origin`] does.
#[derive(Debug)]
pub struct TlsOrigin {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its certificate, for those who should trust it.
    pub certificate: rustls::pki_types::CertificateDer<'static>,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
    bytes: Arc<Mutex<usize>>,
}

impl TlsOrigin {
    /// Starts an origin with a certificate for these names.
    pub fn start(names: &[&str], name: &'static str) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), names, name)
    }

    /// Starts an origin at this address.
    pub fn start_at(address: SocketAddr, names: &[&str], name: &'static str) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let certificate = key.cert.der().clone();
        let private = rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der())
            .expect("a key of its own");
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], private)
            .expect("a certificate and its key");
        let config = Arc::new(config);
        let listener = TcpListener::bind(address).expect("an address to listen on");
        let origin = Self {
            address: listener.local_addr().unwrap(),
            certificate,
            requests: Arc::default(),
            bytes: Arc::default(),
        };
        let requests = Arc::clone(&origin.requests);
        let bytes = Arc::clone(&origin.bytes);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let (requests, bytes) = (Arc::clone(&requests), Arc::clone(&bytes));
                let config = Arc::clone(&config);
                std::thread::spawn(move || {
                    let _ = socket.set_read_timeout(Some(WAIT_MAX));
                    let connection = ServerConnection::new(config).expect("a good configuration");
                    let counted = Counted { socket, bytes };
                    origin::serve(StreamOwned::new(connection, counted), name, &requests);
                });
            }
        });
        origin
    }

    /// Returns the heads of all requests so far.
    pub fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .map(|head| String::from_utf8_lossy(head).into_owned())
            .collect()
    }

    /// Returns how many bytes reached it so far, of whatever protocol.
    pub fn bytes_received(&self) -> usize {
        *self.bytes.lock().unwrap()
    }
}

/// A socket that counts what it received.
struct Counted {
    socket: TcpStream,
    bytes: Arc<Mutex<usize>>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let len = self.socket.read(into)?;
        *self.bytes.lock().unwrap() += len;
        Ok(len)
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.socket.flush()
    }
}

/// Makes one GET over TLS on a connected socket, and returns the whole answer as text.
///
/// # Errors
///
/// Fails as the socket or TLS fails: a reset, a close, an alert.
pub fn get(
    socket: TcpStream,
    name: &str,
    origin: &TlsOrigin,
    path: &str,
) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots
        .add(origin.certificate.clone())
        .expect("a certificate");
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name_owned = ServerName::try_from(name.to_owned()).expect("a name");
    let mut connection =
        ClientConnection::new(Arc::new(config), name_owned).expect("a good configuration");
    let mut socket = socket;
    let mut stream = Stream::new(&mut connection, &mut socket);
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    let mut bytes = [0; 16 * 1024];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => break,
            Ok(len) => answer.extend_from_slice(&bytes[..len]),
            Err(error) if answer.is_empty() => return Err(error),
            Err(_) => break,
        }
        if let Some(head) = crate::client::find(&answer, b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
            let len = text
                .split_once("content-length: ")
                .and_then(|(_, rest)| rest.split("\r\n").next()?.trim().parse::<usize>().ok());
            if len.is_some_and(|len| answer.len() >= head + 4 + len) {
                break;
            }
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Returns a Client Hello of exactly `len` bytes, by the extension for padding.
pub fn hello_of(name: &[u8], len: usize) -> Vec<u8> {
    let room = len - hello(Some(name)).len() - 4;
    let mut padding = vec![0, 21];
    padding.extend(u16::try_from(room).expect("a short hello").to_be_bytes());
    padding.resize(room + 4, 0);
    hello_with(Some(name), &padding)
}

/// Returns a whole Client Hello as TLS handshake bytes, without records. No name: no SNI.
pub fn hello(name: Option<&[u8]>) -> Vec<u8> {
    hello_with(name, &[])
}

fn hello_with(name: Option<&[u8]>, more: &[u8]) -> Vec<u8> {
    let len = |n: usize| u16::try_from(n).expect("a short hello").to_be_bytes();
    let mut extensions = vec![0x00, 0x2b, 0, 3, 2, 3, 4];
    if let Some(name) = name {
        extensions.extend([0, 0]);
        extensions.extend(len(name.len() + 5));
        extensions.extend(len(name.len() + 3));
        extensions.push(0);
        extensions.extend(len(name.len()));
        extensions.extend(name);
    }
    extensions.extend(more);
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    body.extend(len(extensions.len()));
    body.extend(extensions);
    let mut message = vec![1, 0];
    message.extend(len(body.len()));
    message.extend(body);
    message
}

/// Cuts handshake bytes into TLS records of at most `len` bytes.
pub fn records(handshake: &[u8], len: usize) -> Vec<u8> {
    let part_len = |n: usize| u16::try_from(n).expect("a short record").to_be_bytes();
    handshake
        .chunks(len)
        .flat_map(|part| [&[22, 3, 1], &part_len(part.len())[..], part].concat())
        .collect()
}
