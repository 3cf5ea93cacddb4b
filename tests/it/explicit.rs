//! HTTP through the explicit proxy: what passes, what is refused and how, and in which order.

use tests::client::{Client, End};
use tests::gateway::{Gateway, Setup};
use tests::origin::Origin;

const POLICY: &str = r#"
lists:
  banned: [blocked.test]
  moved: [moved.test]
  open: [notice.test]
profiles:
  child:
    pass_list: [open]
    block_list: [banned]
    redirect_list: [{to: "http://notice.test/?uri=%U", lists: [moved]}]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
    block_response: RESPONSE
default_profile: child
"#;

fn start(response: &str) -> (Gateway, Origin, Origin) {
    let (allowed, blocked) = (Origin::start("allowed"), Origin::start("blocked"));
    let gateway = Setup::new(&POLICY.replace("RESPONSE", response))
        .host("allowed.test", allowed.address)
        .host("blocked.test", blocked.address)
        .host("moved.test", blocked.address)
        .start();
    (gateway, allowed, blocked)
}

#[test]
fn pass_is_forwarded_as_the_client_wrote_it() {
    let (gateway, allowed, _) = start("discard");
    let mut client = gateway.client();
    client.send(
        "GET http://Allowed.TEST:80/a%2fb/%7Euser?q=1%20x HTTP/1.1\r\nHost: other.test\r\n\
         Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic c2VjcmV0\r\nX-Kept: Yes\r\n\r\n",
    );
    assert_eq!(client.response().status, 200);
    let head = allowed.wait_for_requests(1).remove(0);
    let lower = head.to_ascii_lowercase();
    assert!(
        head.starts_with("GET /a%2fb/%7Euser?q=1%20x HTTP/1.1\r\n"),
        "{head}"
    );
    assert_eq!(lower.matches("\r\nhost:").count(), 1, "{head}");
    assert!(lower.contains("\r\nhost: allowed.test\r\n"), "{head}");
    assert!(lower.contains("\r\nx-kept: yes\r\n"), "{head}");
    assert!(!lower.contains("proxy-"), "{head}");
}

#[test]
fn block_responses() {
    let (gateway, _, blocked) = start("discard");
    let mut client = gateway.client();
    client.send("GET http://blocked.test/ HTTP/1.1\r\nHost: blocked.test\r\n\r\n");
    assert_eq!(client.rest(), (Vec::new(), End::Closed));

    let (gateway, _, _) = start("reset");
    let mut client = gateway.client();
    client.send("GET http://blocked.test/ HTTP/1.1\r\nHost: blocked.test\r\n\r\n");
    assert_eq!(client.rest(), (Vec::new(), End::Reset));

    let (gateway, _, _) = start("forbidden");
    let response = gateway.client().get("http://blocked.test/");
    assert_eq!(response.status, 403);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert!(
        response.text().contains("blocked.test"),
        "{}",
        response.text()
    );
    assert_eq!(blocked.connections(), 0, "nothing reaches a blocked origin");
}

#[test]
fn redirect_is_302_with_the_uri_in_its_query() {
    let (gateway, _, blocked) = start("discard");
    let response = gateway.client().get("http://moved.test/a?b=c&d");
    assert_eq!(response.status, 302);
    assert_eq!(
        response.header("location"),
        Some("http://notice.test/?uri=http%3A%2F%2Fmoved.test%2Fa%3Fb%3Dc%26d")
    );
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(blocked.connections(), 0);
}

#[test]
fn pipelined_pass_block_pass_answers_the_first_whole_and_forwards_nothing_after() {
    let (gateway, allowed, blocked) = start("discard");
    let mut client = gateway.client();
    client.send(
        "GET http://allowed.test/size/300000 HTTP/1.1\r\nHost: allowed.test\r\n\r\n\
         GET http://blocked.test/ HTTP/1.1\r\nHost: blocked.test\r\n\r\n\
         GET http://allowed.test/third HTTP/1.1\r\nHost: allowed.test\r\n\r\n",
    );
    let first = client.response();
    assert_eq!((first.status, first.body.len()), (200, 300_000));
    assert_eq!(client.rest().0, b"");
    assert_eq!(allowed.requests().len(), 1, "{:?}", allowed.requests());
    assert_eq!(blocked.connections(), 0);
}

#[test]
fn pipelined_answers_come_in_order() {
    let (gateway, allowed, _) = start("forbidden");
    let mut client = gateway.client();
    client.send(
        "GET http://allowed.test/slow/100 HTTP/1.1\r\nHost: allowed.test\r\n\r\n\
         GET http://blocked.test/ HTTP/1.1\r\nHost: blocked.test\r\n\r\n\
         GET http://allowed.test/third HTTP/1.1\r\nHost: allowed.test\r\n\r\n",
    );
    assert_eq!(client.response().text(), "late");
    assert_eq!(client.response().status, 403);
    assert_eq!(client.response().text(), "origin allowed: GET /third\n");
    assert_eq!(allowed.requests().len(), 2);
}

#[test]
fn a_block_page_is_readable_after_five_megabytes_of_post() {
    let (gateway, _, blocked) = start("forbidden");
    let mut client = gateway.client();
    client.send("POST http://blocked.test/ HTTP/1.1\r\nHost: blocked.test\r\nContent-Length: 5000000\r\n\r\n");
    for _ in 0..50 {
        client.send(vec![b'x'; 100_000]);
    }
    let response = client.response();
    assert_eq!(response.status, 403);
    assert!(response.text().contains("</html>"));
    assert_eq!(blocked.connections(), 0);
}

#[test]
fn bodies_stream_both_ways() {
    let (gateway, _, _) = start("discard");
    let mut client = gateway.client();
    client.send("POST http://allowed.test/echo HTTP/1.1\r\nHost: allowed.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("5;name=value\r\nhello\r\n");
    client.send("7\r\n there!\r\n0\r\n\r\n");
    assert_eq!(client.response().text(), "hello there!");
    let chunked = client.get("http://allowed.test/chunked/1000");
    assert_eq!(chunked.body.len(), 10_000);
    client.send("POST http://allowed.test/echo HTTP/1.1\r\nHost: allowed.test\r\nContent-Length: 1000000\r\n\r\n");
    client.send(vec![b'y'; 1_000_000]);
    assert_eq!(client.response().body, vec![b'y'; 1_000_000]);
    let close = client.get("http://allowed.test/close");
    assert_eq!(close.text(), "until the end");
}

#[test]
fn head_has_the_length_and_no_body() {
    let (gateway, _, _) = start("forbidden");
    let mut client = gateway.client();
    client.send("HEAD http://allowed.test/size/1234 HTTP/1.1\r\nHost: allowed.test\r\n\r\n");
    let response = client.response_to("HEAD");
    assert_eq!(
        (response.status, response.header("content-length")),
        (200, Some("1234"))
    );
    client.send("HEAD http://blocked.test/ HTTP/1.1\r\nHost: blocked.test\r\n\r\n");
    assert_eq!(client.response_to("HEAD").status, 403);
}

#[test]
fn expect_continue_is_the_origins_to_answer() {
    let (gateway, allowed, _) = start("forbidden");
    let mut client = gateway.client();
    client.send("POST http://allowed.test/continue HTTP/1.1\r\nHost: allowed.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    assert_eq!(client.response().status, 100);
    client.send("body");
    assert_eq!(client.response().text(), "body");

    let mut client = gateway.client();
    client.send("POST http://allowed.test/refuse HTTP/1.1\r\nHost: allowed.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    assert_eq!(client.response().status, 417);
    assert_eq!(allowed.requests().len(), 2);

    let mut client = gateway.client();
    client.send("POST http://blocked.test/ HTTP/1.1\r\nHost: blocked.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    assert_eq!(client.response().status, 403, "no 100 before a block page");
}

#[test]
fn websocket_upgrades_are_forwarded_and_no_others() {
    let (gateway, allowed, _) = start("discard");
    let mut client = gateway.client();
    client.send("GET http://allowed.test/websocket HTTP/1.1\r\nHost: allowed.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(client.response().status, 101);
    client.send(b"\x81\x05hello");
    assert_eq!(client.take(7), b"\x81\x05hello");

    let mut client = gateway.client();
    client.send("GET http://allowed.test/x HTTP/1.1\r\nHost: allowed.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let head = allowed.wait_for_requests(2).remove(1).to_ascii_lowercase();
    assert!(
        !head.contains("upgrade") && !head.contains("http2-settings"),
        "{head}"
    );
}

#[test]
fn an_unreachable_origin_is_502() {
    let nobody = tests::peers::free_address();
    let gateway = Setup::new(&POLICY.replace("RESPONSE", "discard"))
        .host("gone.test", nobody)
        .start();
    assert_eq!(gateway.client().get("http://gone.test/").status, 502);
}

#[test]
fn heads_with_two_readings_are_400_and_the_connection_closes() {
    let (gateway, allowed, _) = start("discard");
    for head in [
        "POST http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        "POST http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nTransfer-Encoding: xchunked\r\n\r\n",
        "GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nHost: blocked.test\r\n\r\n",
        "GET http://allowed.test/ HTTP/1.1\r\nHost : allowed.test\r\n\r\n",
        "GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nX: a\r\n b\r\n\r\n",
        "GET http://allowed.test/\x00 HTTP/1.1\r\nHost: allowed.test\r\n\r\n",
        "GET http://allowed.test/a b HTTP/1.1\r\nHost: allowed.test\r\n\r\n",
    ] {
        let mut client = gateway.client();
        client.send(format!(
            "{head}GET http://allowed.test/next HTTP/1.1\r\nHost: allowed.test\r\n\r\n"
        ));
        assert_eq!(client.response().status, 400, "{head:?}");
        assert_eq!(client.rest().0, b"", "{head:?}");
    }
    assert_eq!(allowed.connections(), 0);
    // Lines are written behind the answers, so the last may be late.
    let lines = crate::wait_for_decisions(&gateway, &["bad_request"], 8);
    assert_eq!(lines.len(), 8);
}

#[test]
fn a_bad_head_waits_for_the_answers_before_it() {
    let (gateway, _, _) = start("discard");
    let mut client = gateway.client();
    client.send(
        "GET http://allowed.test/slow/100 HTTP/1.1\r\nHost: allowed.test\r\n\r\n\
         GET http://allowed.test/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    );
    assert_eq!(client.response().text(), "late");
    assert_eq!(client.response().status, 400);
}

#[test]
fn where_the_proxy_will_not_go() {
    let (mut gateway, _, _) = start("forbidden");
    let own = gateway.address;
    let admin = gateway.program.address("proxy_admin", 0);
    for address in [own, admin] {
        let response = gateway.client().get(&format!("http://{address}/"));
        assert_eq!(response.status, 403, "{address}");
    }
}

#[test]
fn a_client_that_is_not_listed_is_refused() {
    let allowed = Origin::start("allowed");
    let mut gateway = Setup::new(&POLICY.replace("RESPONSE", "discard"))
        .host("allowed.test", allowed.address)
        .start();
    gateway.program.write(
        "weir.yaml",
        "policy: policy.yaml\nproxy:\n  listen: [{mode: explicit, address: \"127.0.0.1:0\", clients: [\"192.0.2.0/24\"]}]\n",
    );
    assert!(gateway.program.runs());
    let text = std::fs::read_to_string(gateway.program.dir.path().join("weir.yaml")).unwrap();
    let policy = POLICY.replace("RESPONSE", "discard");
    let files = [
        ("weir.yaml", text.as_str()),
        ("policy.yaml", policy.as_str()),
    ];
    let mut other = tests::program::Program::start(&["proxy", "--config", "weir.yaml"], &files);
    let address = other.address("explicit", 0);
    let mut client = Client::connect(address);
    client.try_send("GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n\r\n");
    assert_eq!(client.rest().0, b"");
    assert_eq!(allowed.connections(), 0);
}
