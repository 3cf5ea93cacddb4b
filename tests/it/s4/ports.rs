//! S4 2.1: which ports are filtered.

use tests::client::End;
use tests::gateway::{Gateway, Setup};
use tests::origin::Origin;
use tests::program::{run, write_files};
use tests::tls::{self, TlsOrigin};

const POLICY: &str = r#"
lists:
  secret: ["http://www.test/secret", "http://www.test:8080/secret", "http://www.test:8000/secret"]
  banned: [banned.test]
profiles:
  child:
    block_list: [secret, banned]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
    block_response: forbidden
default_profile: child
"#;

/// The alert `access_denied`.
const ALERT: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 49];

fn start() -> (Gateway, Origin, TlsOrigin) {
    let plain = Origin::start("plain");
    let secure = TlsOrigin::start(&["tls.test", "banned.test"], "secure");
    let gateway = Setup::new(POLICY)
        .host("www.test", plain.address)
        .host("tls.test", secure.address)
        .host("banned.test", secure.address)
        .http_port(8000)
        .tls_port(8443)
        .start();
    (gateway, plain, secure)
}

#[test]
fn s4_2_1_http_is_filtered_on_80_8080_and_configured_ports() {
    let (gateway, plain, _) = start();
    for (port, host) in [
        (80, "www.test"),
        (8080, "www.test:8080"),
        (8000, "www.test:8000"),
    ] {
        let (mut client, status) = gateway.connect(&format!("www.test:{port}"));
        assert_eq!(status, 200, "{port}");
        client.send(format!("GET /open HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.response().status, 200, "{port}");
        client.send(format!("GET /secret HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.response().status, 403, "{port}");
    }
    assert_eq!(plain.requests().len(), 3);
}

#[test]
fn s4_2_1_tls_is_filtered_on_443_and_configured_ports() {
    let (gateway, _, secure) = start();
    for port in [443, 8443] {
        let (client, status) = gateway.connect(&format!("tls.test:{port}"));
        assert_eq!(status, 200, "{port}");
        let answer = tls::get(client.into_socket(), "tls.test", &secure, "/").unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{port}: {answer}");
        let passed = secure.bytes_received();
        let (_, status) = gateway.connect(&format!("banned.test:{port}"));
        assert_eq!(status, 403, "{port}");
        let (mut client, status) = gateway.connect(&format!("tls.test:{port}"));
        assert_eq!(status, 200, "{port}");
        client.send(tls::records(&tls::hello(None), 16384));
        assert_eq!(client.rest(), (ALERT.to_vec(), End::Closed), "{port}");
        assert_eq!(secure.bytes_received(), passed, "{port}");
    }
}

#[test]
fn s4_2_1_no_tunnel_leads_to_other_ports() {
    let (gateway, plain, secure) = start();
    for port in [1, 79, 81, 444, 8001, 8081, 8442] {
        let (_, status) = gateway.connect(&format!("www.test:{port}"));
        assert_eq!(status, 403, "{port}");
    }
    assert_eq!((plain.connections(), secure.bytes_received()), (0, 0));
}

#[test]
fn s4_2_1_a_port_cannot_be_both() {
    for (http, tls, status) in [
        (8000, 8443, 0),
        (8000, 8000, 78),
        (443, 8443, 78),
        (8000, 80, 78),
        (8000, 8080, 78),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let config = Setup::new(POLICY).http_port(http).tls_port(tls).config();
        let files = [("weir.yaml", config.as_str()), ("policy.yaml", POLICY)];
        write_files(folder.path(), &files);
        let output = run(folder.path(), &["check", "weir.yaml"]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{http} {tls}: {told}");
        assert_eq!(
            told.contains("is an HTTP port and cannot be a TLS port too")
                || told.contains("is a TLS port and cannot be an HTTP port too"),
            status == 78,
            "{http} {tls}: {told}"
        );
    }
}
