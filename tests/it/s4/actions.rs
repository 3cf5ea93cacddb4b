//! S4 3.1 and 3.2: the actions, their order, redirect destinations, changed policies.

use std::sync::{Arc, Mutex};

use tests::client::End;
use tests::gateway::{Gateway, Setup};
use tests::icap_peer::{IcapPeer, Reply};
use tests::origin::Origin;
use tests::tls::{self, TlsOrigin};

use super::categories;

const POLICY: &str = r#"
policies:
  family:
    pass: [news]
    block: [adult]
    redirect:
      - {to: "http://first.test/", categories: [gambling]}
      - {to: "http://second.test/", categories: [games]}
profiles:
  child:
    icap: true
    policy: family
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
    block_response: discard
default_profile: child
"#;

const SESSION: &str = "sessions:\n  static:\n    - {clients: [\"127.0.0.0/8\"], msisdn: \"111220000001\", imsi: \"10020000000007\"}";

/// The categories of a URI are its last segment, with `+` between them.
fn by_path(uri: &str) -> Reply {
    let last = uri.rsplit('/').next().unwrap_or_default();
    categories(&last.replace('+', ", "))
}

fn start(policy: &str, peer: &IcapPeer) -> (Gateway, Origin) {
    let origin = Origin::start("web");
    let gateway = Setup::new(policy)
        .host("web.test", origin.address)
        .icap(peer.address)
        .icap_line("deadline_ms: 10000")
        .start();
    (gateway, origin)
}

#[test]
fn s4_3_1_pass_then_block_then_redirect_is_least_to_most_restrictive() {
    let peer = IcapPeer::start(by_path);
    let (gateway, origin) = start(
        &POLICY.replace("block_response: discard", "block_response: forbidden"),
        &peer,
    );
    let mut client = gateway.client();
    for (path, status, location) in [
        ("news", 200, None),
        ("news+adult", 403, None),
        ("adult+news", 403, None),
        ("news+gambling", 302, Some("http://first.test/")),
        ("adult+gambling", 302, Some("http://first.test/")),
        ("games+adult+news", 302, Some("http://second.test/")),
        ("games+gambling", 302, Some("http://first.test/")),
    ] {
        let response = client.get(&format!("http://web.test/{path}"));
        let told = (response.status, response.header("location"));
        assert_eq!(told, (status, location), "{path}");
    }
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn s4_3_1_a_blocked_request_is_silently_discarded() {
    let peer = IcapPeer::start(by_path);
    let (gateway, origin) = start(POLICY, &peer);
    let mut client = gateway.client();
    client.send("GET http://web.test/adult HTTP/1.1\r\nHost: web.test\r\n\r\n");
    assert_eq!(client.rest(), (Vec::new(), End::Closed));
    assert_eq!(origin.connections(), 0);
}

#[test]
fn s4_3_1_a_redirect_of_tls_is_a_block() {
    let peer = IcapPeer::start(|uri| {
        categories(if uri.contains("casino") {
            "gambling"
        } else {
            "news"
        })
    });
    let web = TlsOrigin::start(&["casino.test"], "web");
    let setup = Setup::new(&POLICY.replace("discard", "forbidden"))
        .host("casino.test", web.address)
        .tls_port(web.address.port())
        .icap(peer.address)
        .icap_line("deadline_ms: 10000");
    let gateway = setup.start();
    let (mut client, status) = gateway.connect("casino.test:443");
    assert_eq!(status, 403);
    drop(client);
    (client, _) = gateway.connect(&web.address.to_string());
    client.send(tls::records(&tls::hello(Some(b"casino.test")), 16384));
    assert_eq!(client.rest().0, [0x15, 3, 3, 0, 2, 2, 49]);
    assert_eq!(web.bytes_received(), 0);
    for line in crate::wait_for_decisions(&gateway, &["casino.test"], 2) {
        assert_eq!(line["enforcement"], "forbid", "{line}");
    }
    // The same category of the same name over HTTP.
    assert_eq!(
        gateway
            .client()
            .get("http://casino.test/")
            .header("location"),
        Some("http://first.test/")
    );
}

/// A gateway whose lists redirect all of `www.request-address.com` to `to`.
fn redirecting(to: &str) -> Gateway {
    let policy = format!(
        "lists: {{asked: [\"http://www.request-address.com/\"], answer: [www.redirect-address.com]}}
profiles:
  child:
    pass_list: [answer]
    redirect_list: [{{to: \"{to}\", lists: [asked]}}]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
default_profile: child
"
    );
    Setup::new(&policy).line(SESSION).start()
}

#[track_caller]
fn location(gateway: &Gateway, uri: &str) -> String {
    let response = gateway.client().get(uri);
    assert_eq!(response.status, 302);
    response.header("location").unwrap().to_owned()
}

#[test]
fn s4_3_1_1_1_redirect_formatting_example() {
    let gateway = redirecting("http://www.redirect-address.com/?imsi=%S&msisdn=%M&requiri=%U");
    assert_eq!(
        location(&gateway, "http://www.request-address.com/index.html"),
        "http://www.redirect-address.com/?imsi=10020000000007&msisdn=111220000001&requiri=http%3A%2F%2Fwww.request-address.com%2Findex.html"
    );
}

#[test]
fn s4_3_1_1_the_destination_is_cut_at_899_and_never_inside_an_escape() {
    let gateway = redirecting("http://www.redirect-address.com/?requiri=%U");
    let start = "http://www.request-address.com/";
    let full = |path: &str| {
        let uri = format!("{start}{path}").replace(':', "%3A");
        let uri = uri.replace('/', "%2F").replace('~', "%7E");
        format!("http://www.redirect-address.com/?requiri={uri}")
    };
    let room = 899 - full("").len();
    for len in [room - 1, room, room + 1, room + 100] {
        let path = "a".repeat(len);
        let expected: String = full(&path).chars().take(899).collect();
        assert_eq!(location(&gateway, &format!("{start}{path}")), expected);
    }
    // The cut falls on each byte of an escape in turn.
    for before in room - 4..=room {
        let path = "a".repeat(before) + "/b/c/d";
        let (full, cut) = (full(&path), location(&gateway, &format!("{start}{path}")));
        assert!(full.starts_with(&cut), "{cut}");
        assert!((897..=899).contains(&cut.len()), "{}", cut.len());
        let last_escape = cut.rfind('%').unwrap();
        assert!(last_escape + 3 <= cut.len(), "{cut}");
    }
}

#[test]
fn s4_3_2_a_changed_policy_applies_to_later_and_to_unresolved_requests() {
    let gate = Arc::new(Mutex::new(false));
    let opened = Arc::clone(&gate);
    let peer = IcapPeer::start(move |uri| {
        if uri.contains("unresolved") {
            Reply::Gated(vec!["X-Attribute: news".to_owned()], Arc::clone(&opened))
        } else {
            categories("news")
        }
    });
    let policy = POLICY.replace("discard", "forbidden");
    let (gateway, origin) = start(&policy, &peer);
    let mut resolved = gateway.client();
    resolved.send("GET http://web.test/slow/1500 HTTP/1.1\r\nHost: web.test\r\n\r\n");
    origin.wait_for_requests(1);
    let mut unresolved = gateway.client();
    unresolved.send("GET http://web.test/unresolved HTTP/1.1\r\nHost: web.test\r\n\r\n");
    tests::wait_for("the question", || (peer.asked().len() == 2).then_some(()));
    gateway.reload(&policy.replace("pass: [news]\n    block: [adult]", "block: [adult, news]"));
    *gate.lock().unwrap() = true;
    assert_eq!(unresolved.response().status, 403);
    assert_eq!(resolved.response().text(), "late", "a decision made stays");
    assert_eq!(gateway.client().get("http://web.test/later").status, 403);
    assert_eq!(origin.requests().len(), 1);
}
