//! Other protocols than HTTP/1.1 on an HTTP port: none opens a way that is not judged.

use std::net::{SocketAddr, TcpListener};

use tests::WAIT_MAX;
use tests::client::Client;
use tests::gateway::{Gateway, Setup};
use tests::origin::Origin;

const POLICY: &str = "
lists:
  banned: [blocked.test]
profiles:
  child:
    block_list: [banned]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: UNDECIDABLE
    block_response: forbidden
default_profile: child
";

/// The start of every connection of HTTP/2, and an empty SETTINGS frame.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

struct Set {
    gateway: Gateway,
    origin: Origin,
}

fn start(undecidable: &str) -> Set {
    let origin = Origin::start("origin");
    let gateway = Setup::new(&POLICY.replace("UNDECIDABLE", undecidable))
        .host("allowed.test", origin.address)
        .host("blocked.test", origin.address)
        .http_port(origin.address.port())
        .start();
    Set { gateway, origin }
}

/// How a client sends requests.
#[derive(Clone, Copy, Debug)]
enum Way {
    Explicit,
    Tunnel,
}

impl Set {
    fn client(&self, way: Way) -> Client {
        match way {
            Way::Explicit => self.gateway.client(),
            Way::Tunnel => {
                let authority = format!("allowed.test:{}", self.origin.address.port());
                let (client, status) = self.gateway.connect(&authority);
                assert_eq!(status, 200);
                client
            }
        }
    }

    /// Returns the request line of a GET.
    fn line(&self, way: Way, path: &str) -> String {
        match way {
            Way::Explicit => format!("GET http://allowed.test{path} HTTP/1.1\r\n"),
            Way::Tunnel => format!("GET {path} HTTP/1.1\r\n"),
        }
    }

    fn new_head(&self, before: usize) -> String {
        let requests = self.origin.wait_for_requests(before + 1);
        requests.last().unwrap().to_ascii_lowercase()
    }
}

const WAYS: [Way; 2] = [Way::Explicit, Way::Tunnel];

#[test]
fn an_upgrade_to_http2_is_not_passed_on() {
    let set = start("pass");
    for (way, fields) in WAYS.iter().flat_map(|way| {
        [
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
            "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
            "connection: upgrade\r\nupgrade: foo/1, h2c\r\n",
            "Connection: keep-alive\r\nConnection: upgrade\r\nUpgrade: h2c\r\nUpgrade: TLS/1.0\r\n",
        ]
        .map(|fields| (*way, fields))
    }) {
        let before = set.origin.requests().len();
        let mut client = set.client(way);
        let line = set.line(way, "/x");
        client.send(format!("{line}Host: allowed.test\r\n{fields}\r\n"));
        assert_eq!(client.response().status, 200, "{way:?} {fields}");
        let head = set.new_head(before);
        for word in ["upgrade", "h2c", "http2-settings"] {
            assert!(!head.contains(word), "{head}");
        }
        // The bytes of HTTP/2 behind it are a request that is refused.
        client.send(HTTP2);
        assert_eq!(client.response().status, 400, "{way:?} {fields}");
        client.rest();
        assert_eq!(set.origin.requests().len(), before + 1);
    }
}

#[test]
fn an_answer_that_changes_the_protocol_unasked_is_502() {
    for (request, answer, status) in [
        (
            "",
            "101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c",
            502,
        ),
        (
            "",
            "101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket",
            502,
        ),
        ("", "101 Switching Protocols", 502),
        (
            "Connection: Upgrade\r\nUpgrade: h2c\r\n",
            "101 X\r\nConnection: Upgrade\r\nUpgrade: h2c",
            502,
        ),
        (
            "Connection: Upgrade\r\nUpgrade: websocket\r\n",
            "101 X\r\nConnection: Upgrade\r\nUpgrade: h2c",
            502,
        ),
        (
            "Connection: Upgrade\r\nUpgrade: websocket\r\n",
            "101 X",
            502,
        ),
        (
            "Connection: Upgrade\r\nUpgrade: websocket\r\n",
            "101 X\r\nConnection: Upgrade\r\nUpgrade: WebSocket",
            101,
        ),
        (
            "Connection: Upgrade\r\nUpgrade: websocket\r\n",
            "426 X\r\nContent-Length: 0\r\nUpgrade: websocket",
            426,
        ),
    ] {
        let origin = answering(answer);
        let gateway = Setup::new(&POLICY.replace("UNDECIDABLE", "block"))
            .host("odd.test", origin)
            .start();
        let mut client = gateway.client();
        client.send(format!(
            "GET http://odd.test/ HTTP/1.1\r\nHost: odd.test\r\n{request}\r\n"
        ));
        let found = client.response().status;
        assert_eq!(found, status, "{request:?} {answer:?}");
    }
}

#[test]
fn a_websocket_is_one_with_the_judged_host_alone() {
    let set = start("pass");
    for way in WAYS {
        let mut client = set.client(way);
        let fields = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
        let line = set.line(way, "/websocket");
        // What looks like a request behind it is the websocket's, and goes where that goes.
        let blocked = "GET http://blocked.test/ HTTP/1.1\r\nHost: blocked.test\r\n\r\n";
        let before = set.origin.connections();
        client.send(format!("{line}Host: allowed.test\r\n{fields}\r\n{blocked}"));
        assert_eq!(client.response().status, 101);
        assert_eq!(client.take(blocked.len()), blocked.as_bytes(), "echoed");
        assert_eq!(set.origin.connections(), before + 1);

        // Not granted: the next request is judged as any other.
        let mut client = set.client(way);
        let line = set.line(way, "/x");
        let next = set.line(way, "/y").replace("allowed.test", "blocked.test");
        client.send(format!(
            "{line}Host: allowed.test\r\n{fields}\r\n{next}Host: blocked.test\r\n\r\n"
        ));
        assert_eq!(client.response().status, 200);
        assert_eq!(client.response().status, 403, "{way:?}");
    }
}

#[test]
fn the_preface_of_http2_is_undecidable_first_and_refused_later() {
    let way = Way::Tunnel;
    {
        let set = start("block");
        for cut in [1, 3, HTTP2.len()] {
            let before = set.origin.connections();
            let mut client = set.client(way);
            for piece in HTTP2.chunks(cut) {
                if !client.try_send(piece) {
                    break;
                }
            }
            assert_eq!(client.response().status, 403, "{way:?} {cut}");
            let lines = crate::wait_for_decisions(&set.gateway, &["http2_preface"], 1);
            assert_eq!(lines[0]["action"], "block");
            assert_eq!(set.origin.connections(), before);

            let mut client = set.client(way);
            client.send(format!("{}Host: allowed.test\r\n\r\n", set.line(way, "/1")));
            assert_eq!(client.response().status, 200);
            for piece in HTTP2.chunks(cut) {
                if !client.try_send(piece) {
                    break;
                }
            }
            assert_eq!(client.response().status, 400, "{way:?} {cut}");
        }
    }
    // In explicit mode there is nowhere to go with it, whatever the profile.
    let set = start("pass");
    for cut in [1, HTTP2.len()] {
        let mut client = set.client(Way::Explicit);
        for piece in HTTP2.chunks(cut) {
            if !client.try_send(piece) {
                break;
            }
        }
        assert_eq!(client.response().status, 400, "{cut}");
    }
    assert_eq!(set.origin.connections(), 0);
}

#[test]
fn what_is_like_http_never_passes_as_something_else() {
    let set = start("pass");
    let mut refused = 0;
    for start in [
        "DESCRIBE /x RTSP/1.1\r\n",
        "DESCRIBE /x RTSP/1.0\r\n",
        "OPTIONS * RTSP/1.0\r\n",
        "SOURCE /x ICE/1.0\r\n",
        "FOO /x BAR/1.1\r\n",
        "FOO /x\r\n",
        " GET / HTTP/1.1\r\n",
        "\tGET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\n",
        "FOO /x HTTP/1.1\n",
        "get / http/1.1\r\n",
        "foo / http/1.1\r\n",
        "GET\t/\tHTTP/1.1\r\n",
        "FOO\t/\tHTTP/1.1\r\n",
        "\0GET / HTTP/1.1\r\n",
        "\0\0\0get / HTTP/1.1\r\n",
        "\u{feff}GET / HTTP/1.1\r\n",
        "\r\n\r\n\0\r\nQUIT\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 80\r\n",
        "PRI * HTTP/2.0\r\n",
        "\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        for cut in [1, 1_000] {
            let mut client = set.client(Way::Tunnel);
            let bytes = format!(
                "{start}Host: blocked.test\r\n\r\nGET / HTTP/1.1\r\nHost: blocked.test\r\n\r\n"
            );
            for piece in bytes.as_bytes().chunks(cut) {
                if !client.try_send(piece) {
                    break;
                }
            }
            let status = client.try_response("GET").map_or(0, |it| it.status);
            assert!([400, 505].contains(&status), "{start:?} {cut}: {status}");
            refused += 1;
        }
    }
    crate::wait_for_decisions(&set.gateway, &["bad_request"], refused);
    assert_eq!(set.origin.connections(), 0);
    assert_eq!(set.gateway.program.decisions(&["undecidable"]).len(), 0);
}

#[test]
fn connection_takes_no_field_away_that_was_judged() {
    let set = start("block");
    for way in WAYS {
        for (fields, body) in [
            ("Connection: host\r\n", ""),
            ("Connection: close, Host, x\r\n", ""),
            ("Connection: content-length\r\nContent-Length: 3\r\n", "abc"),
            (
                "Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n",
                "3\r\nabc\r\n0\r\n\r\n",
            ),
            (
                "Connection: upgrade, host, content-length\r\nContent-Length: 3\r\nUpgrade: h2c\r\n",
                "abc",
            ),
        ] {
            let before = set.origin.requests().len();
            let mut client = set.client(way);
            let line = set.line(way, "/echo").replace("GET", "POST");
            client.send(format!("{line}Host: allowed.test\r\n{fields}\r\n{body}"));
            let answer = client.response();
            let expected = if body.is_empty() { "" } else { "abc" };
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (200, expected),
                "{fields}"
            );
            let head = set.new_head(before);
            assert_eq!(head.matches("host: allowed.test").count(), 1, "{head}");
            assert!(!head.contains("\r\nconnection:"), "{head}");
        }
    }
}

#[test]
fn a_tunnel_has_no_tunnel_inside() {
    let set = start("pass");
    let mut client = set.client(Way::Tunnel);
    let port = set.origin.address.port();
    client.send(format!(
        "CONNECT blocked.test:{port} HTTP/1.1\r\nHost: blocked.test\r\n\r\n"
    ));
    assert_eq!(client.response_to("CONNECT").status, 405);
    assert_eq!(set.origin.connections(), 0);
}

#[test]
fn gateways_that_point_at_each_other_end_at_once() {
    // Each leads the name to the other, which is told when both stand.
    let placeholder = TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = placeholder.local_addr().unwrap();
    let setup = Setup::new(&POLICY.replace("UNDECIDABLE", "pass"));
    let first = setup.clone().host("loop.test", nowhere).start();
    let second = setup.clone().host("loop.test", first.address).start();
    first.program.write(
        "weir.yaml",
        &setup.host("loop.test", second.address).config(),
    );
    first.reload(&POLICY.replace("UNDECIDABLE", "pass"));

    let answer = first.client().get("http://loop.test/");
    // A request in origin form is none for an explicit listener, so the second is the last.
    assert_eq!(answer.status, 400);
    assert!(answer.header("via").is_some());
    let lines = crate::wait_for_decisions(&second, &["not_proxied"], 1);
    assert_eq!(lines.len(), 1);
    let lines = crate::wait_for_decisions(&first, &["\"kind\":\"decision\""], 1);
    assert_eq!(lines.len(), 1);
}

#[test]
fn a_gateway_that_points_at_itself_goes_nowhere() {
    let setup = Setup::new(&POLICY.replace("UNDECIDABLE", "pass"));
    let gateway = setup.start();
    let address = gateway.address;
    gateway
        .program
        .write("weir.yaml", &setup.host("self.test", address).config());
    gateway.reload(&POLICY.replace("UNDECIDABLE", "pass"));
    let port = address.port();
    for host in [
        "self.test".to_owned(),
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
    ] {
        assert_eq!(
            gateway.client().get(&format!("http://{host}/")).status,
            403,
            "{host}"
        );
    }
}

#[test]
fn our_own_via_is_a_loop() {
    let set = start("pass");
    let mut client = set.client(Way::Explicit);
    assert_eq!(client.get("http://allowed.test/").status, 200);
    let head = set.origin.wait_for_requests(1).remove(0);
    let via = head
        .lines()
        .find(|line| line.starts_with("via: "))
        .unwrap()
        .to_owned();
    for via in [
        via.clone(),
        via.replace("via: ", "Via: 1.0 a, "),
        format!("{via}, 1.1 b (c)"),
    ] {
        client.send(format!(
            "GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n{via}\r\n\r\n"
        ));
        assert_eq!(client.response().status, 508, "{via}");
        client = set.client(Way::Explicit);
    }
    // A nomination does not hide it.
    client.send(format!("GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n{via}\r\nConnection: via\r\n\r\n"));
    assert_eq!(client.response().status, 508);
    assert_eq!(set.origin.requests().len(), 1);
}

#[test]
fn max_forwards_is_counted_down_and_ends_here() {
    let set = start("block");
    let mut client = set.client(Way::Explicit);
    let mut ask = |method: &str, host: &str, field: &str| {
        client.send(format!(
            "{method} http://{host}/a HTTP/1.1\r\nHost: {host}\r\nCookie: secret\r\nX: y\r\n{field}\r\n"
        ));
        client.response_to(method)
    };
    for (method, field, passed_on) in [
        ("OPTIONS", "Max-Forwards: 2\r\n", "\r\nmax-forwards: 1\r\n"),
        ("TRACE", "max-forwards: 1\r\n", "\r\nmax-forwards: 0\r\n"),
        ("GET", "Max-Forwards: 0\r\n", "\r\nmax-forwards: 0\r\n"),
        ("TRACE", "", ""),
    ] {
        let before = set.origin.requests().len();
        assert_eq!(ask(method, "allowed.test", field).status, 200);
        let head = set.new_head(before);
        assert!(head.contains(passed_on), "{head}");
    }
    let before = set.origin.requests().len();
    let answer = ask("OPTIONS", "allowed.test", "Max-Forwards: 0\r\n");
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    let answer = ask("TRACE", "allowed.test", "Max-Forwards: 0\r\n");
    assert_eq!(answer.header("content-type"), Some("message/http"));
    assert_eq!(
        answer.text(),
        "TRACE http://allowed.test/a HTTP/1.1\r\nHost: allowed.test\r\nX: y\r\nMax-Forwards: 0\r\n\r\n"
    );
    assert_eq!(
        ask("TRACE", "blocked.test", "Max-Forwards: 0\r\n").status,
        403
    );
    assert_eq!(set.origin.requests().len(), before);
}

/// Starts an origin that gives one answer, without a body, to every request.
fn answering(head: &str) -> SocketAddr {
    use std::io::{Read as _, Write as _};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!("HTTP/1.1 {head}\r\n\r\n");
    std::thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            let _ = socket.set_read_timeout(Some(WAIT_MAX));
            let mut bytes = Vec::new();
            let mut part = [0; 4096];
            while !bytes.ends_with(b"\r\n\r\n") {
                match socket.read(&mut part) {
                    Ok(len @ 1..) => bytes.extend_from_slice(&part[..len]),
                    Ok(_) | Err(_) => break,
                }
            }
            let _ = socket.write_all(answer.as_bytes());
            // Until the proxy has read it and closes.
            let _ = socket.read(&mut part);
        }
    });
    address
}
