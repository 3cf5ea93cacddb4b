use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use icap_server::config::{Config, Listen, Socket, Tls};
use icap_server::start;
use policy::Place;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::harness::{Client, GET, WAIT_MAX, config, content, exchange, reqmod};

/// Certificates in a folder: an authority, and what it signed.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// Writes `NAME.pem` and `NAME.key`.
    fn sign(&self, folder: &Path, name: &str) {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

fn listening(listen: Listen) -> Config {
    Config {
        listen: vec![listen],
        ..config()
    }
}

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn tls_at(folder: &Path, client_ca: Option<&str>) -> Config {
    listening(Listen {
        tls: Some(Tls {
            certificate: folder.join("icap.test.pem"),
            key: folder.join("icap.test.key"),
            client_ca: client_ca.map(|name| folder.join(name)),
            place: Place { line: 1, column: 1 },
        }),
        ..Listen::at(any())
    })
}

/// What an ICAP client that trusts this authority, and maybe shows a certificate, speaks TLS by.
fn trusting(authority: &Authority, identity: Option<(&Path, &str)>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap();
    roots.add(root).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match identity {
        None => builder.with_no_client_auth(),
        Some((folder, name)) => {
            let chain = CertificateDer::from_pem_file(folder.join(format!("{name}.pem"))).unwrap();
            let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
            builder.with_client_auth_cert(vec![chain], key).unwrap()
        }
    })
}

/// Asks over TLS: the answers to two requests, or what kept them from being asked.
fn ask(
    address: SocketAddr,
    authority: &Authority,
    identity: Option<(&Path, &str)>,
) -> std::io::Result<String> {
    talk(StreamOwned::new(
        session(trusting(authority, identity)),
        connected(address),
    ))
}

fn talk(mut stream: StreamOwned<ClientConnection, TcpStream>) -> std::io::Result<String> {
    stream.write_all(reqmod("Allow: 204\r\n", GET).as_bytes())?;
    let last = "Allow: 204\r\nConnection: close\r\n";
    stream.write_all(reqmod(last, GET).as_bytes())?;
    let mut answer = String::new();
    // The end must be TLS's own: a cut connection is an error.
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn session(config: Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(config, server_name()).unwrap()
}

fn server_name() -> ServerName<'static> {
    ServerName::try_from("icap.test").unwrap()
}

fn connected(address: SocketAddr) -> TcpStream {
    Client::connect(address).0
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_serves_and_a_reload_changes_the_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (Authority::new(), Authority::new());
    first.sign(folder.path(), "icap.test");
    let config = tls_at(folder.path(), None);
    let server = start(config.clone(), content()).await.unwrap();
    let address = server.addresses()[0];
    let answer = ask(address, &first, None).unwrap();
    assert_eq!(answer.matches("ICAP/1.0 204 ").count(), 2, "{answer}");
    ask(address, &second, None).unwrap_err();
    second.sign(folder.path(), "icap.test");
    assert_eq!(server.reload(&config, content()).unwrap(), [""; 0]);
    ask(address, &second, None).unwrap();
    ask(address, &first, None).unwrap_err();
    // A reload that cannot be changes nothing.
    fs::write(folder.path().join("icap.test.key"), "no key").unwrap();
    let wrong = server.reload(&config, content()).unwrap_err();
    let key = folder.path().join("icap.test.key");
    assert_eq!(wrong.to_string(), format!("cannot use `{}`", key.display()));
    ask(address, &second, None).unwrap();
    // What is no TLS is closed without an answer.
    assert!(!exchange_or_reset(address).contains("ICAP"));
    assert_eq!(server.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_copy_comes_back_whole_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.sign(folder.path(), "icap.test");
    let server = start(tls_at(folder.path(), None), content()).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(trusting(&authority, None));
    let socket = tokio::net::TcpStream::connect(server.addresses()[0]);
    let stream = connector.connect(server_name(), socket.await.unwrap());
    let stream = stream.await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let http = "POST http://games.example/ HTTP/1.1\r\n\r\n";
    let body = "z".repeat(3_000_000);
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let request = crate::harness::reqmod_body("Connection: close\r\n", http, &chunks);
    let writing = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        writer.write_all(request.as_bytes()).await.unwrap();
        writer.flush().await.unwrap();
        writer
    });
    let mut answer = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut answer)
        .await
        .unwrap();
    let copied = answer.iter().filter(|byte| **byte == b'z').count();
    assert_eq!(copied, body.len());
    assert!(answer.ends_with(b"0\r\n\r\n"));
    drop(writing.await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_need_a_certificate_where_an_authority_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, other) = (Authority::new(), Authority::new());
    ours.sign(folder.path(), "icap.test");
    ours.sign(folder.path(), "squid.test");
    other.sign(folder.path(), "stranger.test");
    fs::write(folder.path().join("ca.pem"), &ours.pem).unwrap();
    let server = start(tls_at(folder.path(), Some("ca.pem")), content())
        .await
        .unwrap();
    let address = server.addresses()[0];
    ask(address, &ours, Some((folder.path(), "squid.test"))).unwrap();
    ask(address, &ours, Some((folder.path(), "stranger.test"))).unwrap_err();
    ask(address, &ours, None).unwrap_err();
    assert_eq!(server.stop().await, 0);
    let mut wrong = tls_at(folder.path(), Some("squid.test.key"));
    let error = start(wrong.clone(), content()).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot serve TLS");
    wrong = tls_at(folder.path(), Some("nothing.pem"));
    start(wrong, content()).await.unwrap_err();
}

#[tokio::test]
async fn connections_from_elsewhere_are_closed_and_counted() {
    let clients = |range: &str| Listen {
        clients: Some(vec![range.parse().unwrap()]),
        ..Listen::at(any())
    };
    let server = start(listening(clients("192.0.2.0/24")), content())
        .await
        .unwrap();
    let address = server.addresses()[0];
    assert_eq!(exchange_or_reset(address), "");
    let metrics = crate::life::get(&server, "/metrics").await;
    let line = "weir_icap_server_accepted_connections_total{admission=\"client_not_listed\"} 1\n";
    assert!(metrics.contains(line), "{metrics}");
    server
        .reload(&listening(clients("127.0.0.0/8")), content())
        .unwrap();
    let answer = exchange(address, reqmod("Allow: 204\r\n", GET));
    assert!(answer.starts_with("ICAP/1.0 204 "), "{answer}");
}

#[tokio::test]
async fn a_unix_socket_serves_and_goes_with_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("icap.sock");
    let config = listening(Listen {
        socket: Socket::Unix {
            path: path.clone(),
            mode: 0o600,
        },
        clients: None,
        tls: None,
    });
    let server = start(config, content()).await.unwrap();
    assert_eq!(server.addresses(), []);
    for _ in 0..4 {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
        let request = reqmod("Allow: 204\r\nConnection: close\r\n", GET);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("ICAP/1.0 204 "), "{answer}");
    }
    assert_eq!(server.stop().await, 0);
    assert!(!path.exists());
}

#[tokio::test]
async fn settings_that_a_reload_does_not_change_are_named() {
    let server = start(config(), content()).await.unwrap();
    let mut other = config();
    other.listen = vec![Listen::at("127.0.0.1:1".parse().unwrap())];
    other.workers = std::num::NonZeroUsize::new(7);
    other.limits.idle *= 2;
    let fixed = server.reload(&other, content()).unwrap();
    assert_eq!(fixed, ["icap_server.listen", "icap_server.workers"]);
    let answer = exchange(server.addresses()[0], reqmod("Allow: 204\r\n", GET));
    assert!(answer.starts_with("ICAP/1.0 204 "), "{answer}");
}

/// Sends a request to somebody who may close without reading it.
fn exchange_or_reset(address: SocketAddr) -> String {
    let mut client = Client::connect(address);
    let _ = client.0.write_all(reqmod("Allow: 204\r\n", GET).as_bytes());
    let mut answer = Vec::new();
    match client.0.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error}"),
    }
    String::from_utf8_lossy(&answer).into_owned()
}
