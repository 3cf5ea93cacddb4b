//! Reports that are cut, changed, too long, or sent again: counted, and nothing changes.

use std::net::UdpSocket;
use std::time::Duration;

use tests::peers::radius::status;

use super::*;

/// Returns the bytes that radclient sends for a report.
fn bytes(lines: &str) -> Vec<u8> {
    let listener = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    std::thread::scope(|scope| {
        // Nobody answers it.
        let sent = scope.spawn(|| radclient(to, SECRET, lines));
        let mut buffer = vec![0; 4_096];
        let len = listener.recv(&mut buffer).unwrap();
        buffer.truncate(len);
        assert!(!sent.join().unwrap().0);
        buffer
    })
}

/// Sends a datagram that has an answer, and returns it.
fn exchange(radius: SocketAddr, datagram: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    socket.send_to(datagram, radius).unwrap();
    let mut buffer = vec![0; 4_096];
    let len = socket.recv(&mut buffer).unwrap();
    buffer.truncate(len);
    buffer
}

#[test]
fn what_is_damaged_or_comes_again_changes_nothing() {
    if is_missing() {
        return;
    }
    let mut world = World::start();
    let report = bytes(START);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let send = |datagram: &[u8]| {
        socket.send_to(datagram, world.radius).unwrap();
    };
    for len in 0..report.len() {
        send(&report[..len]);
    }
    // Behind code, identifier and length, which say something else when they are changed.
    for at in 4..report.len() {
        let mut changed = report.clone();
        changed[at] ^= 1;
        send(&changed);
    }
    let mut long = report.clone();
    long.resize(4_097, 0);
    send(&long);
    let expected = [
        ("malformed", report.len()),
        ("wrong_secret", report.len() - 4),
        ("too_long", 1),
    ];
    for (outcome, count) in expected {
        let count = u64::try_from(count).unwrap();
        wait_for(outcome, || (world.outcome(outcome) == count).then_some(()));
    }
    assert_eq!(world.gateway.metric("weir_live_sessions"), 0);
    assert_eq!(world.ask(), "passed");

    let answer = exchange(world.radius, &report);
    assert_eq!((answer[0], answer[1]), (5, report[1]));
    assert_eq!(world.ask(), KIDS);
    assert_eq!(exchange(world.radius, &report), answer, "as the first time");
    world.report(&changed("Stop", ""));
    assert_eq!(exchange(world.radius, &report), answer);
    assert_eq!(world.outcome("repeated"), 2);
    assert_eq!(world.outcome("opened"), 1);
    assert_eq!(world.gateway.metric("weir_live_sessions"), 0);
    assert_eq!(world.ask(), "passed", "what ended does not return");
}

#[test]
fn who_asks_for_the_status_is_answered_if_it_knows_the_secret() {
    if is_missing() {
        return;
    }
    let mut world = World::start();
    let (answered, printed) = status(world.radius, SECRET);
    assert!(answered, "{printed}");
    let (answered, printed) = status(world.radius, "another");
    assert!(!answered, "{printed}");
    assert_eq!(world.outcome("status"), 1);
    assert_eq!(world.outcome("wrong_secret"), 1);
    assert_eq!(world.gateway.metric("weir_live_sessions"), 0);
}
