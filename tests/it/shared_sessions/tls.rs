//! TLS to Redis.

use tests::peers::free_address;

use super::*;

/// A Redis with TLS for 127.0.0.1, where it takes it, and its certificate.
fn start() -> (Redis, SocketAddr, String) {
    let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let certificate = key.cert.pem();
    let files = tempfile::tempdir().unwrap();
    let private = key.signing_key.serialize_pem();
    write_files(
        files.path(),
        &[("redis.crt", &certificate), ("redis.key", &private)],
    );
    let file = |name: &str| files.path().join(name).display().to_string();
    let address = free_address();
    // It has read them when it answers.
    let redis = Redis::start(&[
        "--tls-port",
        &address.port().to_string(),
        "--tls-cert-file",
        &file("redis.crt"),
        "--tls-key-file",
        &file("redis.key"),
        "--tls-auth-clients",
        "no",
    ]);
    (redis, address, certificate)
}

const TLS: &str = ", tls: {ca_file: 'FILES/ca.pem'}";

#[test]
fn sessions_are_shared_over_tls_with_who_can_prove_its_name() {
    if is_missing() {
        return;
    }
    let (_redis, address, certificate) = start();
    let files = [("ca.pem", certificate.as_str())];
    let mut world = World::start_with(&address.to_string(), TLS, &files);
    world.wait_until(1);
    world.report(0, START);
    world.wait_for(1, "127.0.0.2", KIDS);
}

#[test]
fn another_authority_is_refused_and_so_is_a_redis_without_tls() {
    if is_missing() {
        return;
    }
    let (redis, address, _) = start();
    let (_other, _, other) = start();
    let files = [("ca.pem", other.as_str())];
    let mut world = World::start_with(&address.to_string(), TLS, &files);
    for gateway in &mut world.gateways {
        gateway.program.wait_for_line(&[
            "\"WARN\"",
            "the store of sessions cannot be reached",
            "invalid peer certificate",
        ]);
        assert_eq!(gateway.metric("weir_session_store_up"), 0);
    }
    world.report_in_vain(0, START);
    assert_eq!(world.ask(0, "127.0.0.2"), "passed");
    let asked = redis.call(&["DBSIZE"]);
    assert_eq!(asked, ":0\r\n", "nothing was written");

    // Who speaks without TLS to a port of TLS is told nothing, and says so.
    let mut world = World::start_at(&address.to_string(), "");
    for gateway in &mut world.gateways {
        gateway
            .program
            .wait_for_line(&["the store of sessions cannot be reached"]);
        assert_eq!(gateway.metric("weir_session_store_up"), 0);
    }
}
