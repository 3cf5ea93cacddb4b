//! CONNECT in explicit mode: the authority is judged, then what is inside.

use std::time::Duration;

use tests::client::End;
use tests::gateway::{Gateway, Setup};
use tests::origin::Origin;
use tests::tls::{self, TlsOrigin};

const POLICY: &str = r#"
lists:
  banned: [blocked.test]
  moved: [moved.test]
profiles:
  child:
    block_list: [banned]
    redirect_list: [{to: "http://notice.test/", lists: [moved]}]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
    block_response: RESPONSE
default_profile: child
"#;

struct Set {
    gateway: Gateway,
    allowed: TlsOrigin,
    blocked: TlsOrigin,
    plain: Origin,
}

fn start(response: &str) -> Set {
    let names = ["allowed.test", "blocked.test", "moved.test"];
    let (allowed, blocked) = (
        TlsOrigin::start(&names, "allowed"),
        TlsOrigin::start(&names, "blocked"),
    );
    let plain = Origin::start("plain");
    let gateway = Setup::new(&POLICY.replace("RESPONSE", response))
        .host("allowed.test", allowed.address)
        .host("moved.test", blocked.address)
        .host("blocked.test", blocked.address)
        .host("plain.test", plain.address)
        .tls_port(allowed.address.port())
        .tls_port(blocked.address.port())
        .http_port(plain.address.port())
        .start();
    Set {
        gateway,
        allowed,
        blocked,
        plain,
    }
}

#[test]
fn an_allowed_name_passes_untouched() {
    let set = start("discard");
    let (client, status) = set
        .gateway
        .connect(&format!("allowed.test:{}", set.allowed.address.port()));
    assert_eq!(status, 200);
    let answer = tls::get(
        client.into_socket(),
        "allowed.test",
        &set.allowed,
        "/size/2000000",
    )
    .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{}", answer.len());
    assert!(answer.len() > 2_000_000, "{}", answer.len());
}

#[test]
fn a_blocked_authority_is_refused_whatever_the_name_inside() {
    for (response, expected) in [("discard", 0), ("forbidden", 403)] {
        let set = start(response);
        let authority = format!("blocked.test:{}", set.blocked.address.port());
        let (mut client, status) = set.gateway.connect(&authority);
        assert_eq!(status, expected, "{response}");
        client.try_send(tls::records(&tls::hello(Some(b"allowed.test")), 16384));
        client.rest();
        assert_eq!(set.blocked.bytes_received(), 0, "{response}");
    }
}

#[test]
fn a_redirected_authority_is_blocked_on_tls() {
    let set = start("forbidden");
    let (_, status) = set
        .gateway
        .connect(&format!("moved.test:{}", set.blocked.address.port()));
    assert_eq!(status, 403);
}

#[test]
fn a_blocked_name_inside_an_allowed_authority_reaches_nobody() {
    let set = start("discard");
    let (mut client, status) = set
        .gateway
        .connect(&format!("allowed.test:{}", set.allowed.address.port()));
    assert_eq!(status, 200);
    client.send(tls::records(&tls::hello(Some(b"blocked.test")), 16384));
    assert_eq!(client.rest().0, b"");
    assert_eq!(
        set.allowed.bytes_received() + set.blocked.bytes_received(),
        0
    );
    set.gateway.program.wait_for_line(&["authority_mismatch"]);
}

#[test]
fn a_blocked_name_behind_an_address_is_judged_by_its_name() {
    let set = start("forbidden");
    let (mut client, status) = set.gateway.connect(&set.blocked.address.to_string());
    assert_eq!(status, 200);
    client.send(tls::records(&tls::hello(Some(b"blocked.test")), 16384));
    assert_eq!(
        client.rest().0,
        [0x15, 3, 3, 0, 2, 2, 49],
        "the alert access_denied"
    );
    assert_eq!(set.blocked.bytes_received(), 0);
}

#[test]
fn plain_http_inside_a_tunnel_is_judged_by_its_host() {
    let set = start("discard");
    let authority = format!("plain.test:{}", set.plain.address.port());
    let (mut client, status) = set.gateway.connect(&authority);
    assert_eq!(status, 200);
    client.send(format!("GET /one HTTP/1.1\r\nHost: {authority}\r\n\r\n"));
    assert_eq!(client.response().text(), "origin plain: GET /one\n");
    client.send("GET /two HTTP/1.1\r\nHost: blocked.test\r\n\r\n");
    assert_eq!(client.rest().0, b"");
    assert_eq!(set.plain.requests().len(), 1, "{:?}", set.plain.requests());
    set.gateway.program.wait_for_line(&["authority_mismatch"]);
}

#[test]
fn plain_http_on_a_tls_port_is_undecidable() {
    let set = start("discard");
    let (mut client, status) = set
        .gateway
        .connect(&format!("allowed.test:{}", set.allowed.address.port()));
    assert_eq!(status, 200);
    client.send("GET / HTTP/1.1\r\nHost: allowed.test\r\n\r\n");
    assert_eq!(client.rest().0, b"");
    assert_eq!(set.allowed.bytes_received(), 0);
    set.gateway.program.wait_for_line(&["not_tls"]);
}

#[test]
fn a_port_in_neither_list_is_403() {
    let set = start("discard");
    let (_, status) = set.gateway.connect("allowed.test:22");
    assert_eq!(status, 403);
}

#[test]
fn every_cut_of_a_client_hello_has_the_same_verdict() {
    let set = start("forbidden");
    let authority = set.blocked.address.to_string();
    let hello = tls::hello(Some(b"www.BLOCKED.test."));
    for cut in [1, 2, 16, 1000] {
        let (mut client, status) = set.gateway.connect(&authority);
        assert_eq!(status, 200);
        for part in tls::records(&hello, cut).chunks(7) {
            client.send(part);
            std::thread::sleep(Duration::from_micros(100));
        }
        assert_eq!(
            client.rest(),
            (vec![0x15, 3, 3, 0, 2, 2, 49], End::Closed),
            "records of {cut}"
        );
    }
    assert_eq!(set.blocked.bytes_received(), 0);
}

#[test]
fn undecidable_hellos_name_their_reason() {
    let set = start("discard");
    let authority = set.allowed.address.to_string();
    for (bytes, reason) in [
        (tls::records(&tls::hello(None), 16384), "no_sni"),
        (
            tls::records(&tls::hello(Some(b"bad\0name.test")), 16384),
            "invalid_host",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), "not_tls"),
        (
            tls::records(&[1, 0, 0, 4, 9, 9, 9, 9], 16384),
            "hello_malformed",
        ),
    ] {
        let (mut client, status) = set.gateway.connect(&authority);
        assert_eq!(status, 200);
        client.try_send(&bytes);
        assert_eq!(client.rest().0, b"", "{reason}");
        set.gateway
            .program
            .wait_for_line(&["\"undecidable\"", reason]);
    }
    assert_eq!(set.allowed.bytes_received(), 0);
}
