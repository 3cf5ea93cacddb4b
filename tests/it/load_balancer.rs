//! Explicit clients behind a load balancer that announces them by the PROXY protocol.

use std::net::SocketAddr;

use tests::client::Client;
use tests::gateway::{Gateway, Setup};
use tests::origin::Origin;
use tests::{peers, program_missing, tier_missing};

use crate::wait_for_decisions;

const POLICY: &str = "
profiles:
  child: {default_action: block, unknown_action: block, error_action: block,
          undecidable_action: block, block_response: forbidden}
  open: {default_action: pass, unknown_action: pass, error_action: pass, undecidable_action: pass}
default_profile: open
";

const SESSIONS: &str = "sessions: {static: [{clients: [\"127.0.0.2\"], profile: child}]}";

/// Each kind of announcement with the line of HAProxy that makes it.
const VERSIONS: [&str; 2] = ["send-proxy", "send-proxy-v2"];

const REFUSED: &str = "weir_connections_refused_total{reason=\"no_proxy_header\"}";

fn setup(origin: &Origin) -> Setup {
    Setup::new(POLICY)
        .host("web.test", origin.address)
        .line(SESSIONS)
}

/// Behind this machine, for clients up to 127.0.0.3.
fn behind_loopback(origin: &Origin) -> Gateway {
    let keys = "clients: [127.0.0.0/30], proxy_protocol_from: [127.0.0.1]";
    setup(origin).listener(keys).workers(1).start()
}

fn header(client: &str) -> String {
    format!("PROXY TCP4 {client} 127.0.0.1 4000 3128\r\n")
}

/// Connects and announces a client.
fn announced(address: SocketAddr, client: &str) -> Client {
    let mut connection = Client::connect(address);
    connection.send(header(client));
    connection
}

#[test]
fn haproxy_announces_its_clients() {
    if tier_missing("HAProxy", program_missing(&["haproxy", "unshare"])) {
        return;
    }
    let origin = Origin::start("web");
    for version in VERSIONS {
        let gateway = behind_loopback(&origin);
        let haproxy = peers::haproxy(gateway.address, version);
        let from = |source: &str| Client::connect_from(source.parse().unwrap(), haproxy.address);
        assert_eq!(
            from("127.0.0.2").get("http://web.test/a").status,
            403,
            "{version}"
        );
        assert_eq!(
            from("127.0.0.3").get("http://web.test/b").status,
            200,
            "{version}"
        );
        let line = gateway.program.wait_for_line(&["http://web.test/a"]);
        assert!(line.contains("\"client\":\"127.0.0.2:"), "{line}");
        assert!(line.contains("\"profile\":\"child\""), "{line}");
        // Announced, and not among those who may use the listener.
        assert!(from("127.0.0.4").try_response("GET").is_none(), "{version}");
        let line = gateway.program.wait_for_line(&["client_not_listed"]);
        assert!(line.contains("127.0.0.4:"), "{line}");
    }
}

#[test]
fn the_header_may_come_in_pieces_or_with_the_request() {
    let origin = Origin::start("web");
    let gateway = behind_loopback(&origin);
    let request = "GET http://web.test/ HTTP/1.1\r\nHost: web.test\r\n\r\n";
    let whole = header("127.0.0.2") + request;
    for pieces in [1, 7, whole.len()] {
        let mut client = gateway.client();
        for piece in whole.as_bytes().chunks(pieces) {
            client.send(piece);
        }
        assert_eq!(client.response().status, 403, "{pieces} bytes at a time");
        // The connection goes on for the same client.
        assert_eq!(client.get("http://web.test/").status, 403);
    }
}

#[test]
fn a_load_balancer_that_speaks_for_itself_is_the_client() {
    let origin = Origin::start("web");
    let gateway = behind_loopback(&origin);
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    for header in [b"PROXY UNKNOWN\r\n".as_slice(), local] {
        let mut client = gateway.client();
        client.send(header);
        assert_eq!(client.get("http://web.test/").status, 200);
    }
    let lines = wait_for_decisions(&gateway, &["http://web.test/"], 2);
    let from_balancer = |line: &serde_json::Value| {
        let client = line["client"].as_str().unwrap();
        client.starts_with("127.0.0.1:")
    };
    assert!(lines.iter().all(from_balancer), "{lines:?}");
}

#[test]
fn without_a_header_in_time_a_load_balancer_is_not_served() {
    let origin = Origin::start("web");
    let setup = setup(&origin).listener("proxy_protocol_from: [127.0.0.1]");
    let mut gateway = setup.proxy_line("http_head: {deadline_ms: 300}").start();
    let before = gateway.metric(REFUSED);
    let silent = gateway.client();
    for bytes in [
        "GET http://web.test/ HTTP/1.1\r\n\r\n",
        "PROXY TCP4 127.0.0.2",
        "PROXY NONE\r\n",
    ] {
        let mut client = gateway.client();
        client.send(bytes);
        assert!(client.try_response("GET").is_none(), "{bytes}");
    }
    gateway.wait_for_metric(REFUSED, |it| it == before + 4);
    drop(silent);
    // One that looks whether somebody listens says nothing and is told nothing.
    drop(gateway.client());
    gateway.wait_for_metric("weir_connections_active", |it| it == 0);
    assert_eq!(gateway.metric(REFUSED), before + 4);
    assert!(origin.requests().is_empty());
}

#[test]
fn others_announce_nothing() {
    let origin = Origin::start("web");
    let keys = "clients: [127.0.0.0/30], proxy_protocol_from: [127.0.0.1]";
    let gateway = setup(&origin).listener(keys).start();
    let mut client = gateway.client_at("127.0.0.2");
    client.send(header("127.0.0.3"));
    assert_eq!(client.response().status, 400);
    assert_eq!(
        gateway
            .client_at("127.0.0.2")
            .get("http://web.test/")
            .status,
        403
    );
}

#[test]
fn limits_are_those_of_the_announced_client() {
    let origin = Origin::start("web");
    let keys = "clients: [127.0.0.0/30], proxy_protocol_from: [127.0.0.1]";
    let limits = "limits: {connections_per_client: 1}";
    let mut gateway = setup(&origin).listener(keys).proxy_line(limits).start();
    let mut first = announced(gateway.address, "127.0.0.1");
    let mut second = announced(gateway.address, "127.0.0.3");
    assert_eq!(first.get("http://web.test/").status, 200);
    assert_eq!(second.get("http://web.test/").status, 200);
    let mut third = announced(gateway.address, "127.0.0.3");
    assert!(third.try_response("GET").is_none());
    let row = "weir_limits_reached_total{limit=\"connections_per_client\"}";
    assert_eq!(gateway.wait_for_metric(row, |it| it >= 1), 1);
}
