//! Names, Unix sockets and TLS.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::config::ClientIdentity;

#[tokio::test]
async fn a_name_is_resolved() {
    let peer = Peer::start(echo).await;
    let mut service = service(&peer);
    let host = "localhost".to_owned();
    let port = peer.address.port();
    service.endpoint = Way::Tcp { host, port };
    let client = Client::start(&config(&[service]));
    assert_eq!(client.icap.addresses(), []);
    assert!(client.ask("http://a.example/x").await.is_ok());
    assert!(client.icap.addresses().contains(&peer.address));
}

#[tokio::test]
async fn an_address_is_known_from_the_start() {
    let peer = Peer::start(echo).await;
    let client = Client::of(&peer);
    assert_eq!(client.icap.addresses(), [peer.address]);
}

#[tokio::test]
async fn a_unix_socket_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("icap.sock");
    let peer = Peer::start_unix(&path, |seen| match seen.method {
        icap::Method::Options => Act::Say(OFFER.to_owned()),
        icap::Method::Reqmod | icap::Method::Respmod => echo(seen),
    });
    let service = IcapService {
        uri: "icap://localhost/categorize".to_owned(),
        endpoint: Way::Unix(path),
        weight: 1,
    };
    let client = Client::start(&config(&[service]));
    for _ in 0..3 {
        assert_eq!(
            client.categories("http://a.example/x").await,
            Ok(vec!["x".to_owned()])
        );
    }
    assert_eq!(peer.connections(), 1);
    assert_eq!(client.icap.addresses(), []);
}

#[tokio::test]
async fn tls_is_spoken_to_those_who_can_prove_their_name() {
    for (host, is_known) in [("127.0.0.1", true), ("localhost", false)] {
        let (acceptor, tls) = certified("127.0.0.1");
        let peer = Peer::start_tls(acceptor, |seen| match seen.method {
            icap::Method::Options => Act::Say(OFFER.to_owned()),
            icap::Method::Reqmod | icap::Method::Respmod => echo(seen),
        })
        .await;
        let service = IcapService {
            uri: "icaps://icap.example/categorize".to_owned(),
            endpoint: Way::Tls {
                host: host.to_owned(),
                port: peer.address.port(),
            },
            weight: 1,
        };
        let client = Client::start_with(&config(&[service]), Some(tls));
        for _ in 0..3 {
            assert_eq!(
                client.ask("http://a.example/x").await.is_ok(),
                is_known,
                "{host}"
            );
        }
        if is_known {
            assert_eq!(peer.connections(), 1);
        }
    }
}

/// A peer that asks for a certificate gets the one that is configured; without it nothing is
/// asked. The authority comes from a file.
#[tokio::test]
async fn a_client_shows_its_certificate_to_those_who_ask() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let own = generate_simple_self_signed(["gateway.example".to_owned()]).unwrap();
    std::fs::write(file("client.pem"), own.cert.pem()).unwrap();
    std::fs::write(file("client.key"), own.signing_key.serialize_pem()).unwrap();
    let peers = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(file("ca.pem"), peers.cert.pem()).unwrap();
    let identity = |certificate: &str, key: &str| ClientIdentity {
        certificate: file(certificate),
        key: file(key),
    };
    let own_identity = identity("client.pem", "client.key");
    for (client, is_let_in) in [(Some(own_identity), true), (None, false)] {
        let peer = Peer::start_tls(asking_acceptor(&peers, &own), |seen| match seen.method {
            icap::Method::Options => Act::Say(OFFER.to_owned()),
            icap::Method::Reqmod | icap::Method::Respmod => echo(seen),
        })
        .await;
        let service = IcapService {
            uri: "icaps://icap.example/categorize".to_owned(),
            endpoint: Way::Tls {
                host: "127.0.0.1".to_owned(),
                port: peer.address.port(),
            },
            weight: 1,
        };
        let config = Icap {
            ca_file: Some(file("ca.pem")),
            client,
            ..config(&[service])
        };
        let client = Client::start_with(&config, Tls::of_config(&config).unwrap());
        assert_eq!(client.ask("http://a.example/x").await.is_ok(), is_let_in);
    }
    for (ca, certificate, key, named) in [
        ("none.pem", "client.pem", "client.key", "none.pem"),
        ("client.key", "client.pem", "client.key", "client.key"),
        ("ca.pem", "client.key", "client.key", "client.key"),
        ("ca.pem", "client.pem", "ca.pem", "ca.pem"),
        ("ca.pem", "ca.pem", "client.key", "client.key"),
    ] {
        let config = Icap {
            ca_file: Some(file(ca)),
            client: Some(identity(certificate, key)),
            ..config(&[])
        };
        let error = check_icap_tls(&config).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}

/// Returns a peer's side that lets in whoever has the certificate of `client`.
fn asking_acceptor(
    peer: &CertifiedKey<rcgen::KeyPair>,
    client: &CertifiedKey<rcgen::KeyPair>,
) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(peer.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(client.cert.der().clone()).unwrap();
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        Arc::clone(&provider),
    );
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![peer.cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(server))
}

#[tokio::test]
async fn a_peer_that_does_not_finish_its_handshake_costs_the_deadline_and_no_more() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_, tls) = certified("127.0.0.1");
    let service = IcapService {
        uri: "icaps://icap.example/categorize".to_owned(),
        endpoint: Way::Tls {
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
        },
        weight: 1,
    };
    let client = Client::start_with(&within(DEADLINE, vec![service.into()]), Some(tls));
    faults::costs_the_deadline(&client, "no handshake").await;
}

/// Returns a peer's side with a certificate of its own for `name`, and a client's side that
/// trusts it.
fn certified(name: &str) -> (TlsAcceptor, Tls) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    (
        TlsAcceptor::from(Arc::new(server)),
        Tls::new(roots, None).unwrap(),
    )
}
