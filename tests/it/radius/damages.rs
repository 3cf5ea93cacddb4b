//! Reports that are cut, changed, too long, or sent again: counted, and nothing changes.

use std::net::UdpSocket;

use tests::WAIT_MAX;
use tests::peers::radius::status;

use super::*;

/// Returns the bytes that radclient sends for a report.
fn bytes(lines: &str) -> Vec<u8> {
    let listener = UdpSocket::bind("127.0.0.1:0").unwrap();
    listener.set_read_timeout(Some(WAIT_MAX)).unwrap();
    let to = listener.local_addr().unwrap();
    std::thread::scope(|scope| {
        // Nobody answers it.
        let sent = scope.spawn(|| unanswered(to, SECRET, lines));
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
    socket.set_read_timeout(Some(WAIT_MAX)).unwrap();
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
    let cut = (0..report.len()).map(|len| report[..len].to_vec());
    // Behind code, identifier and length, which say something else when they are changed.
    let flipped = (4..report.len()).map(|at| {
        let mut changed = report.clone();
        changed[at] ^= 1;
        changed
    });
    let mut long = report.clone();
    long.resize(4_097, 0);
    let damaged: [(&str, Vec<_>); 3] = [
        ("malformed", cut.collect()),
        ("wrong_secret", flipped.collect()),
        ("too_long", vec![long]),
    ];
    for (outcome, datagrams) in damaged {
        let mut count = 0;
        // No more at a time than the socket's queue holds while nobody reads.
        for some in datagrams.chunks(32) {
            for datagram in some {
                socket.send_to(datagram, world.radius).unwrap();
            }
            count += u64::try_from(some.len()).unwrap();
            wait_for(outcome, || (world.outcome(outcome) == count).then_some(()));
        }
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
