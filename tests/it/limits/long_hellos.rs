use tests::evasion::hello::HelloShape;
use tests::origin::Origin;

use super::*;

/// Clients that send a long hello and never its end.
const ATTACKERS: usize = 100;
/// Of them, as many as the memory is surely not enough for: a hello of 300 kB as it comes takes
/// half a MiB.
const REFUSED_MIN: u64 = 92;

#[test]
fn many_long_hellos_take_no_more_than_their_memory_and_nothing_from_ordinary_ones() {
    let origin = Origin::start("web");
    let mut gateway = setup("")
        .proxy_line("client_hello: {memory_bytes_max: 4194304, deadline_ms: 60000}")
        .tls_port(origin.address.port())
        .start();
    let connect = |gateway: &Gateway| {
        let (client, status) = gateway.connect(&origin.address.to_string());
        assert_eq!(status, 200);
        client
    };
    let ordinary = hello("{names: [web.test], share_len: 1216}", 1);
    let long = hello("{names: [web.test], len: 60000}", 1);
    connect(&gateway).send(&ordinary);
    wait_for_nobody(&mut gateway);
    let before = gateway.program.resident_kib();
    let attackers: Vec<Client> = (0..ATTACKERS)
        .map(|_| {
            let mut client = connect(&gateway);
            client.try_send(&long[..300_000]);
            client
        })
        .collect();
    let row = "weir_limits_reached_total{limit=\"hello_memory\"}";
    let refused = gateway.wait_for_metric(row, |it| it >= REFUSED_MIN);
    let growth = gateway.program.resident_kib().saturating_sub(before);
    assert!(growth < GROWTH_KIB_MAX, "{growth} KiB more");
    assert!(refused <= ATTACKERS as u64, "{refused}");
    let connections = origin.connections();
    let mut served = connect(&gateway);
    served.send(&ordinary);
    tests::wait_for("the ordinary hello at the origin", || {
        (origin.connections() > connections).then_some(())
    });
    // What was held is given back.
    drop((attackers, served));
    wait_for_nobody(&mut gateway);
    let connections = origin.connections();
    let mut served = connect(&gateway);
    served.send(&long);
    tests::wait_for("the long hello at the origin", || {
        (origin.connections() > connections).then_some(())
    });
}

#[test]
fn a_hello_over_its_length_is_counted() {
    let origin = Origin::start("web");
    let mut gateway = setup("")
        .proxy_line("client_hello: {bytes_max: 1000}")
        .tls_port(origin.address.port())
        .start();
    for (len, over) in [(1000, 0), (1001, 1)] {
        let (mut client, status) = gateway.connect(&origin.address.to_string());
        assert_eq!(status, 200);
        let shape = format!("{{names: [web.test], len: {len}}}");
        client.send(hello(&shape, 16384));
        if over > 0 {
            assert_eq!(client.rest().0, b"");
            reached(&mut gateway, "hello_bytes", over);
        } else {
            tests::wait_for("the hello at the origin", || {
                (origin.connections() > 0).then_some(())
            });
        }
    }
    assert_eq!(origin.connections(), 1);
}

/// Returns a hello in records of this length.
fn hello(shape: &str, record_len: usize) -> Vec<u8> {
    let shape = HelloShape::read(shape);
    shape.wire(&shape.handshake(), &[record_len])
}
