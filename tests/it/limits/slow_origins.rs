use tests::client::End;

use super::*;

/// An informational answer of about a kilobyte.
fn announcement() -> Vec<u8> {
    let field = "x".repeat(1000);
    format!("HTTP/1.1 103 Early Hints\r\nX-Field: {field}\r\n\r\n").into_bytes()
}

#[test]
fn an_origin_that_does_not_answer_is_504() {
    let origin = ScriptedOrigin::silent();
    let mut gateway = setup("answer_s: 1")
        .host("web.test", origin.address)
        .start();
    assert_eq!(ask(&gateway, "/").response().status, 504);
    reached(&mut gateway, "answer", 1);
    origin.wait_for_end();
}

#[test]
fn an_answer_that_stops_is_a_reset() {
    let origin = ScriptedOrigin::start(|socket| {
        read_head(socket);
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        until_gone(socket);
    });
    let mut gateway = setup("stall_s: 1").host("web.test", origin.address).start();
    let (text, end) = ask(&gateway, "/").rest();
    assert!(text.ends_with(b"half"));
    assert_eq!(end, End::Reset, "half an answer is not taken for the whole");
    reached(&mut gateway, "stall", 1);
    origin.wait_for_end();
}

#[test]
fn an_answer_that_is_announced_without_end_is_502() {
    let origin = ScriptedOrigin::endless(b"", announcement());
    let mut gateway = setup("").host("web.test", origin.address).start();
    let mut client = ask(&gateway, "/");
    while client.response().status == 103 {}
    origin.wait_for_end();
    reached(&mut gateway, "interim", 1);
    crate::wait_for_decisions(&gateway, &["answer_announced", "502"], 1);
}

#[test]
fn announcements_to_a_client_that_takes_none_have_an_end() {
    // So slowly that their number has no end in this test.
    let origin = ScriptedOrigin::start(|socket| {
        read_head(socket);
        while socket.write_all(&announcement()).is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    });
    let mut gateway = setup("stall_s: 1").host("web.test", origin.address).start();
    // Gone, and its system says so when something is sent to it.
    drop(ask(&gateway, "/"));
    origin.wait_for_end();
    wait_for_nobody(&mut gateway);
}

#[test]
fn a_silent_tunnel_ends_sooner_when_one_side_has() {
    let origin = ScriptedOrigin::start(until_gone);
    let mut gateway = setup("tunnel_idle_s: 2, half_closed_idle_s: 1, stall_s: 1")
        .tls_port(origin.address.port())
        .start();
    let mut client = inside_tunnel(&gateway, origin.address);
    assert_eq!(client.rest(), (Vec::new(), End::Reset));
    origin.wait_for_end();
    reached(&mut gateway, "tunnel_idle", 1);

    let origin = ScriptedOrigin::start(|socket| {
        let _ = socket.shutdown(std::net::Shutdown::Write);
        until_gone(socket);
    });
    let gateway = setup("half_closed_idle_s: 1")
        .tls_port(origin.address.port())
        .start();
    let mut gateway = gateway;
    let client = inside_tunnel(&gateway, origin.address);
    reached(&mut gateway, "half_closed_idle", 1);
    origin.wait_for_end();
    drop(client);
}

#[test]
fn an_origin_that_cannot_be_reached_in_time_is_504() {
    // A listener whose queue is full answers no more.
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let loopback: SocketAddr = "127.0.0.1:0".parse().unwrap();
    listener.bind(&loopback.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let queued: Vec<socket2::Socket> = (0..4)
        .map(|_| {
            let socket =
                socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&address.into());
            socket
        })
        .collect();
    let mut gateway = setup("connect_s: 1").host("web.test", address).start();
    assert_eq!(ask(&gateway, "/").response().status, 504);
    reached(&mut gateway, "connect", 1);
    drop(queued);
}
