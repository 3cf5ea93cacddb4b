use std::io::ErrorKind;
use std::process::Command;
use std::time::Instant;

use tests::origin::Origin;
use tests::program::weir;

use super::*;

/// Idle connections that a client opens in a test.
const IDLE: usize = 1_000;

/// What one idle connection may cost a debug build.
const IDLE_KIB_MAX: u64 = 64;

#[test]
fn connections_over_the_worker_s_limit_are_reset() {
    let origin = Origin::start("web");
    let mut gateway = setup("connections_per_worker: 2")
        .host("web.test", origin.address)
        .start();
    wait_for_nobody(&mut gateway);
    let (mut first, mut second) = (gateway.client(), gateway.client());
    assert_eq!(first.get("http://web.test/").status, 200);
    assert_eq!(second.get("http://web.test/").status, 200);
    expect_reset(&gateway);
    reached(&mut gateway, "connections_per_worker", 1);
    gateway.program.wait_for_line(&["over a limit"]);
    crate::wait_for_decisions(&gateway, &["\"connection_limit\""], 1);
    drop(first);
    gateway.wait_for_metric("weir_connections_active", |it| it == 1);
    assert_eq!(gateway.client().get("http://web.test/").status, 200);
}

#[test]
fn a_client_over_its_limit_is_reset_at_every_worker_and_others_are_served() {
    let origin = Origin::start("web");
    let silent = ScriptedOrigin::start(until_gone);
    let setup = setup("connections_per_client: 4")
        .workers(2)
        .host("web.test", origin.address)
        .tls_port(silent.address.port());
    let mut gateway = setup.start();
    wait_for_nobody(&mut gateway);
    let mut held = vec![inside_tunnel(&gateway, silent.address)];
    for _ in 1..4 {
        let mut client = gateway.client();
        assert_eq!(client.get("http://web.test/").status, 200);
        held.push(client);
    }
    for _ in 0..10 {
        expect_reset(&gateway);
    }
    reached(&mut gateway, "connections_per_client", 10);
    let told = crate::wait_for_decisions(&gateway, &["\"client_limit\""], 1);
    assert!(told.len() < 10, "one in a second: {}", told.len());
    let mut other = gateway.client_at("127.0.0.2");
    assert_eq!(other.get("http://web.test/").status, 200);

    // A reload lifts the limit for those who come after it.
    let unlimited = setup.config().replace("per_client: 4", "per_client: 0");
    gateway.program.write("weir.yaml", &unlimited);
    gateway.reload(POLICY);
    assert_eq!(gateway.client().get("http://web.test/").status, 200);
    drop((held, other));
    wait_for_nobody(&mut gateway);
}

#[test]
fn without_descriptors_connections_wait_and_the_program_lives() {
    let origin = Origin::start("web");
    let mut command = Command::new("prlimit");
    command.arg("--nofile=100:100").arg(weir());
    let mut gateway = setup("").host("web.test", origin.address).start_by(command);
    wait_for_nobody(&mut gateway);
    let held: Vec<Client> = (0..120).map(|_| gateway.client()).collect();
    gateway.program.wait_for_line(&["cannot accept"]);
    // It waits for a descriptor, and gets one.
    let mut waiting = ask(&gateway, "/");
    drop(held);
    assert_eq!(waiting.response().status, 200);
    drop(waiting);
    wait_for_nobody(&mut gateway);
    let row = "weir_limits_reached_total{limit=\"descriptors\"}";
    assert!(gateway.metric(row) > 0);
    assert!(gateway.program.runs());
}

#[test]
fn a_thousand_idle_clients_cost_little_and_the_next_is_served() {
    tests::raise_descriptor_limit();
    let origin = Origin::start("web");
    let mut gateway = setup("connections_per_client: 2000, client_idle_s: 3600")
        .workers(2)
        .host("web.test", origin.address)
        .start();
    assert_eq!(gateway.client().get("http://web.test/").status, 200);
    wait_for_nobody(&mut gateway);
    let before = gateway.program.resident_kib();
    let idle: Vec<TcpStream> = (0..IDLE)
        .map(|_| TcpStream::connect(gateway.address).unwrap())
        .collect();
    let expected = u64::try_from(IDLE).unwrap();
    gateway.wait_for_metric("weir_connections_active", |it| it == expected);
    let asked = Instant::now();
    assert_eq!(gateway.client().get("http://web.test/").status, 200);
    assert!(asked.elapsed() < WAIT_MAX / 4, "{:?}", asked.elapsed());
    let each = (gateway.program.resident_kib() - before) / expected;
    assert!(each <= IDLE_KIB_MAX, "{each} KiB each");
    drop(idle);
    wait_for_nobody(&mut gateway);
}

#[test]
fn idle_connections_to_the_admin_endpoint_keep_nobody_waiting() {
    let mut gateway = setup("").start();
    let address = gateway.program.address("proxy_admin", 0);
    let idle: Vec<TcpStream> = (0..200)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let asked = Instant::now();
    let mut client = Client::connect(address);
    client.send("GET /ready HTTP/1.1\r\nHost: admin\r\n\r\n");
    assert_eq!(client.response().text(), "ready\n");
    // The deadline of one idle connection is five seconds.
    assert!(asked.elapsed() < WAIT_MAX / 5, "{:?}", asked.elapsed());
    drop(idle);
}

/// Connects, and expects a reset, which may come before the connection is looked at.
#[track_caller]
fn expect_reset(gateway: &Gateway) {
    let read = TcpStream::connect(gateway.address).and_then(|mut socket| socket.read(&mut [0]));
    assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
}
