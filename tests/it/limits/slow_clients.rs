use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

use socket2::SockRef;
use tests::client::{Client, End};
use tests::origin::Origin;

use super::*;

/// How long a slow client waits between two bytes.
const DRIP: Duration = Duration::from_millis(20);

/// Sends `start`, then `part` again and again, until something comes back or the connection ends.
#[track_caller]
fn drip(client: &mut Client, start: &[u8], part: &[u8]) {
    client.send(start);
    client.socket.set_read_timeout(Some(DRIP)).unwrap();
    let begun = std::time::Instant::now();
    loop {
        client.try_send(part);
        match client.socket.peek(&mut [0]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => break,
        }
        assert!(begun.elapsed() < WAIT_MAX, "it drips for ever");
    }
    client.socket.set_read_timeout(Some(WAIT_MAX)).unwrap();
}

#[test]
fn a_head_that_drips_has_a_deadline() {
    let origin = Origin::start("web");
    let mut gateway = setup("client_idle_s: 3600")
        .proxy_line("http_head: {deadline_ms: 300}")
        .host("web.test", origin.address)
        .start();
    for (count, (start, part)) in (1..).zip([
        ("GET http://web.test/ HTTP/1.1\r\nX-A: ", "a"),
        ("GET http://web.test/ HTTP/1.1\r\n", "A: b\r\n"),
        ("\r\n", ""),
    ]) {
        let mut client = gateway.client();
        drip(&mut client, start.as_bytes(), part.as_bytes());
        assert_eq!(client.response().status, 408, "{start:?}");
        reached(&mut gateway, "head_deadline", count);
    }
    assert_eq!(gateway.client().get("http://web.test/").status, 200);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn empty_lines_before_a_request_have_an_end() {
    let gateway = setup("").start();
    let mut client = gateway.client();
    drip(&mut client, b"\r\n", b"\r\n");
    assert_eq!(client.response().status, 400);
}

#[test]
fn a_head_without_end_is_refused_at_its_limit() {
    let mut gateway = setup("").start();
    let mut client = gateway.client();
    client.send("GET http://web.test/ HTTP/1.1\r\nHost: web.test\r\n");
    while client.try_send("X-Field: 0123456789012345678901234567890123456789\r\n") {
        let mut first = [0];
        client.socket.set_nonblocking(true).unwrap();
        let answered = client.socket.peek(&mut first).is_ok();
        client.socket.set_nonblocking(false).unwrap();
        if answered {
            break;
        }
    }
    assert_eq!(client.response().status, 431);
    reached(&mut gateway, "head_bytes", 1);
}

#[test]
fn a_head_within_its_limit_may_grow_by_escapes() {
    let origin = Origin::start("web");
    let gateway = setup("")
        .proxy_line("http_head: {bytes_max: 30000}")
        .host("web.test", origin.address)
        .start();
    let (stray, filler) = ("<".repeat(15_000), "x".repeat(14_800));
    let mut client = gateway.client();
    client.send(format!(
        "GET http://web.test/{stray} HTTP/1.1\r\nHost: web.test\r\nX: {filler}\r\n\r\n"
    ));
    assert_eq!(client.response().status, 200);
    let requests = origin.requests();
    assert!(requests[0].contains(&"%3C".repeat(15_000)), "{requests:?}");
}

#[test]
fn a_client_that_says_nothing_is_closed() {
    let origin = Origin::start("web");
    let mut gateway = setup("client_idle_s: 1, stall_s: 1")
        .host("web.test", origin.address)
        .start();
    wait_for_nobody(&mut gateway);
    let (mut silent, mut served) = (gateway.client(), gateway.client());
    assert_eq!(served.get("http://web.test/").status, 200);
    assert_eq!(silent.rest(), (Vec::new(), End::Closed));
    assert_eq!(served.rest(), (Vec::new(), End::Closed));
    reached(&mut gateway, "client_idle", 2);
}

#[test]
fn a_client_hello_has_a_deadline_whether_it_drips_or_never_comes() {
    let origin = Origin::start("web");
    let mut gateway = setup("")
        .proxy_line("client_hello: {deadline_ms: 300}")
        .tls_port(origin.address.port())
        .start();
    let hello = tests::tls::records(&tests::tls::hello(Some(b"web.test")), 16384);
    // The headers of record and message, and then bytes of the message.
    for (count, (sent, more)) in (1..).zip([(&hello[..9], &[3][..]), (&[], &[])]) {
        let (mut client, status) = gateway.connect(&origin.address.to_string());
        assert_eq!(status, 200);
        drip(&mut client, sent, more);
        assert_eq!(client.rest().0, b"");
        reached(&mut gateway, "hello_deadline", count);
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_body_that_stops_is_a_stall_and_one_that_drips_is_not() {
    let origin = Origin::start("web");
    let mut gateway = setup("stall_s: 2, answer_s: 2")
        .host("web.test", origin.address)
        .start();
    let head = "POST http://web.test/echo HTTP/1.1\r\nHost: web.test\r\nContent-Length: 6\r\n\r\n";
    let mut client = gateway.client();
    client.send(head);
    for byte in b"drops." {
        // Longer than a stall in all.
        std::thread::sleep(Duration::from_millis(400));
        client.send([*byte]);
    }
    assert_eq!(client.response().text(), "drops.");
    drop(client);
    let (before, mut client) = (origin.connections(), gateway.client());
    client.send(format!("{head}drop"));
    tests::wait_for("the origin's connection", || {
        (origin.connections() > before).then_some(())
    });
    // Either limit may be first; nobody is answered twice.
    let answer = client.rest().0;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 504 "));
    wait_for_nobody(&mut gateway);
}

#[test]
fn a_client_that_takes_no_answer_is_reset_and_costs_little() {
    let origin = ScriptedOrigin::endless(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n",
        vec![b'x'; 64 * 1024],
    );
    let mut gateway = setup("stall_s: 1")
        .host("web.test", origin.address)
        .tls_port(origin.address.port())
        .start();
    wait_for_nobody(&mut gateway);
    let before = gateway.program.peak_resident_kib();
    let client = ask(&gateway, "/");
    origin.wait_for_end();
    reached(&mut gateway, "stall", 1);
    let inside = inside_tunnel(&gateway, origin.address);
    origin.wait_for_end();
    reached(&mut gateway, "stall", 2);
    let grown = gateway.program.peak_resident_kib() - before;
    assert!(grown < GROWTH_KIB_MAX, "{grown} KiB");
    crate::wait_for_decisions(&gateway, &["\"failure\":\"stall\""], 2);
    drop((client, inside));
    wait_for_nobody(&mut gateway);
}

#[test]
fn requests_whose_answers_nobody_takes_have_an_end() {
    let origin = Origin::start("web");
    let mut gateway = setup("stall_s: 1").host("web.test", origin.address).start();
    wait_for_nobody(&mut gateway);
    let before = gateway.program.peak_resident_kib();
    let mut client = gateway.client();
    let request = "GET http://web.test/size/100000 HTTP/1.1\r\nHost: web.test\r\n\r\n".repeat(100);
    // Until no buffer takes more, the stall is over, and the reset is there.
    while client.try_send(&request) {}
    reached(&mut gateway, "stall", 1);
    wait_for_nobody(&mut gateway);
    let grown = gateway.program.peak_resident_kib() - before;
    assert!(grown < GROWTH_KIB_MAX, "{grown} KiB");
}

#[test]
fn chunk_extensions_and_trailers_have_an_end() {
    let origin = Origin::start("web");
    let gateway = setup("").host("web.test", origin.address).start();
    for start in ["5;", "0\r\n", "0\r\nX: "] {
        let mut client = gateway.client();
        let part = match start {
            "0\r\n" => "X-Trailer: 0123456789012345678901234567890123456789\r\n",
            _ => "0123456789012345678901234567890123456789",
        };
        let head = "POST http://web.test/echo HTTP/1.1\r\nHost: web.test\r\n\
             Transfer-Encoding: chunked\r\n\r\n";
        drip(
            &mut client,
            format!("{head}{start}").as_bytes(),
            part.repeat(20).as_bytes(),
        );
        assert_eq!(client.response().status, 400, "{start:?}");
    }
}

#[test]
fn a_client_that_resets_is_noticed_while_its_origin_is_silent() {
    let origin = ScriptedOrigin::silent();
    let mut gateway = setup("stall_s: 3600, answer_s: 3600")
        .host("web.test", origin.address)
        .start();
    let client = ask(&gateway, "/");
    gateway.wait_for_metric("weir_decisions_total", |it| it == 1);
    reset(client.socket);
    origin.wait_for_end();
    crate::wait_for_decisions(&gateway, &["client_gone"], 1);
    wait_for_nobody(&mut gateway);
}

#[test]
fn a_body_for_a_blocked_host_is_read_over_up_to_its_limit() {
    let blocked = "lists: {bad: [web.test]}\nprofiles:\n  all: {block_list: [bad], default_action: pass, \
         unknown_action: pass, error_action: pass, undecidable_action: block, block_response: forbidden}\n\
         default_profile: all\n";
    let mut gateway = Setup::new(blocked)
        .proxy_line("limits: {read_over_bytes: 1000, read_over_s: 1}")
        .start();
    for (len, sent, over) in [(1000, 1000, 0), (1001, 1001, 1), (10, 5, 2)] {
        let mut client = gateway.client();
        client.send(format!(
            "POST http://web.test/ HTTP/1.1\r\nHost: web.test\r\nContent-Length: {len}\r\n\r\n"
        ));
        client.send("x".repeat(sent));
        let answer = client.response();
        assert_eq!(answer.status, 403);
        let closes = answer.header("connection") == Some("close");
        assert_eq!(closes, over > 0, "{sent} of {len}");
        if over > 0 {
            reached(&mut gateway, "read_over", over);
        }
    }
}

/// Ends a connection with a reset.
fn reset(socket: TcpStream) {
    SockRef::from(&socket)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}
