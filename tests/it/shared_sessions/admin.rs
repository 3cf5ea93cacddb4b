//! The admin API of a gateway whose Redis is away.

use serde_json::Value;

use super::*;

/// Sends a request to the API of a gateway; returns the status, when to try again, and the answer.
fn ask(gateway: &mut Gateway, method: &str, target: &str) -> (u16, Option<String>, Value) {
    let admin = gateway.program.address("proxy_admin", 0);
    let body = if method == "PUT" { "{}" } else { "" };
    let mut client = Client::connect(admin);
    client.send(format!(
        "{method} {target} HTTP/1.1\r\nHost: {admin}\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let answer = client.response_to(method);
    let again = answer.header("retry-after").map(str::to_owned);
    let said = serde_json::from_slice(&answer.body).unwrap_or_default();
    (answer.status, again, said)
}

#[test]
fn without_redis_every_request_is_503_and_with_it_answered_again() {
    if is_missing() {
        return;
    }
    let mut redis = Redis::start(&DURABLE);
    let mut world = World::start(&redis, "");
    world.wait_until(1);
    let put = ask(&mut world.gateways[0], "PUT", "/sessions/127.0.0.2");
    assert_eq!(put.0, 201, "{put:?}");
    redis.kill();
    world.wait_until(0);
    for (method, target) in [
        ("GET", "/sessions"),
        ("GET", "/sessions/127.0.0.3"),
        ("PUT", "/sessions/127.0.0.3"),
        ("DELETE", "/sessions/127.0.0.3"),
    ] {
        let (status, again, said) = ask(&mut world.gateways[1], method, target);
        assert_eq!(
            (status, again.as_deref()),
            (503, Some("1")),
            "{method} {target}: {said}"
        );
        let detail = said["detail"].as_str().unwrap();
        assert!(
            detail.starts_with("the store of sessions did not answer"),
            "{method} {target}: {said}"
        );
    }
    let row = "weir_session_api_requests_total{outcome=\"unavailable\"}";
    assert_eq!(world.gateways[1].metric(row), 4);
    redis.start_again();
    world.wait_until(1);
    let (status, _, said) = ask(&mut world.gateways[1], "GET", "/sessions/127.0.0.2");
    assert_eq!(status, 200, "it was acknowledged: {said}");
    assert_eq!(
        ask(&mut world.gateways[1], "DELETE", "/sessions/127.0.0.2").0,
        204
    );
}
