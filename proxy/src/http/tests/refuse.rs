use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::world::{Way, World, read_to_end, wire};

const HELLO: &str = "HTTP/1.1 200 OK|Content-Length: 5|X-Case: a||hello";
const GOOD: &str = "GET /1 HTTP/1.1|Host: good.test||";

#[tokio::test]
async fn bad_heads_are_answered_in_their_turn_and_end_the_connection() {
    for (request, status, word) in [
        ("GET /2 HTTP/1.1|Host: a|Host: b||", 400, "host_repeated"),
        (
            "GET /2 HTTP/1.1|Host: a|Content-Length: 1|Transfer-Encoding: chunked||",
            400,
            "two_framings",
        ),
        ("GET /2 HTTP/3.0|Host: a||", 505, "version_unsupported"),
        ("GET /2 HTTP/1.1\nHost: a\n\n", 400, "bare_lf"),
        ("SSH-2.0-x|", 400, "not_http"),
        ("PRI * HTTP/2.0||SM||", 400, "not_http"),
        (
            "CONNECT good.test:80 HTTP/1.1|Host: good.test||",
            405,
            "connect",
        ),
        (
            "GET https://good.test/ HTTP/1.1|Host: good.test||",
            400,
            "scheme",
        ),
    ] {
        let world = World::new("discard", "pass").await;
        let answer = world
            .talk(Way::Intercepted, &format!("{GOOD}{request}{GOOD}"))
            .await;
        assert!(
            answer.starts_with(&format!("{HELLO}HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 2, "{answer}");
        assert_eq!(world.origin.seen().len(), 1);
        let log = world.log(2).await;
        assert_eq!(log[1]["kind"], "bad_request", "{log:?}");
        assert_eq!(log[1]["reason"], word);
        assert_eq!(log[1]["status"], status);
    }
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused() {
    let world = World::new("discard", "pass").await;
    let filler = "x".repeat(4096);
    for (request, status) in [
        (format!("GET / HTTP/1.1|Host: a|X: {filler}||"), 431),
        (format!("GET /{filler} HTTP/1.1|Host: a||"), 414),
    ] {
        let answer = world.talk(Way::Intercepted, &request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_late_head_is_refused() {
    let world = World::new("discard", "pass").await;
    world
        .connect(Way::Intercepted, async |mut client: TcpStream| {
            client
                .write_all(&wire("GET / HTTP/1.1|Host: "))
                .await
                .unwrap();
            let (answer, _) = read_to_end(&mut client).await;
            assert!(
                answer.starts_with("HTTP/1.1 408 Request Timeout|"),
                "{answer}"
            );
        })
        .await;
    assert_eq!(world.log(1).await[0]["reason"], "late");
}

#[tokio::test]
async fn a_head_that_is_cut_short_is_refused() {
    let world = World::new("discard", "pass").await;
    let answer = world
        .talk(Way::Intercepted, "GET / HTTP/1.1|Host: go")
        .await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(world.log(1).await[0]["reason"], "truncated");
}

#[tokio::test]
async fn a_malformed_chunk_ends_the_request() {
    let world = World::new("discard", "pass").await;
    let head = "POST /echo HTTP/1.1|Host: good.test|Transfer-Encoding: chunked||";
    let answer = world
        .talk(Way::Intercepted, &format!("{head}3|abcd|0||{GOOD}"))
        .await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request|"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert!(!world.origin.seen().iter().any(|seen| seen.contains("/1")));
    assert_eq!(world.log(1).await[0]["failure"], "body");
}

#[tokio::test]
async fn a_body_that_is_cut_short_is_refused() {
    let world = World::new("discard", "pass").await;
    let request = "POST /echo HTTP/1.1|Host: good.test|Content-Length: 5||abc";
    let answer = world.talk(Way::Intercepted, request).await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request|"), "{answer}");
    let log = &world.log(1).await[0];
    assert_eq!(log["failure"], "truncated");
    assert_eq!(log["bytes_in"], 3);
}

#[tokio::test]
async fn an_explicit_proxy_is_no_web_site() {
    let world = World::new("discard", "pass").await;
    let rows = [
        ("GET / HTTP/1.1|Host: good.test||", "not_proxied"),
        ("OPTIONS * HTTP/1.1|Host: good.test||", "not_proxied"),
        ("SSH-2.0-x|", "not_http"),
        ("GET ftp://good.test/ HTTP/1.1|Host: good.test||", "scheme"),
    ];
    for (before, (request, word)) in rows.into_iter().enumerate() {
        let answer = world.talk(Way::Explicit, request).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request|"), "{answer}");
        assert!(answer.contains("|connection: close|"), "{answer}");
        let log = world.log(before + 1).await;
        assert_eq!(log.last().unwrap()["reason"], word);
    }
}

/// Nothing after the last request that a client announces is looked at.
#[tokio::test]
async fn nothing_follows_a_request_that_closes() {
    for first in [
        "GET /1 HTTP/1.1|Host: good.test|Connection: close||",
        "GET /1 HTTP/1.0|Host: good.test||",
    ] {
        let world = World::new("forbidden", "pass").await;
        let answer = world
            .talk(Way::Intercepted, &format!("{first}{GOOD}"))
            .await;
        assert!(answer.ends_with("||hello"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.").count(), 1, "{answer}");
        assert_eq!(world.origin.seen().len(), 1);
        assert_eq!(world.log(1).await.len(), 1);
    }
}

#[tokio::test]
async fn http_1_0_may_keep_its_connection() {
    let world = World::new("forbidden", "pass").await;
    let request = "GET /1 HTTP/1.0|Host: good.test|Connection: keep-alive||";
    let answer = world.talk(Way::Intercepted, &request.repeat(2)).await;
    assert_eq!(answer.matches("HTTP/1.0 200 OK|").count(), 2, "{answer}");
    assert_eq!(
        answer.matches("|Connection: keep-alive|").count(),
        2,
        "{answer}"
    );
    let chunked = request.replace("GET /1", "GET /chunked");
    let answer = world.talk(Way::Intercepted, &chunked.repeat(2)).await;
    assert!(answer.ends_with("||abcde"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.0 200 OK|").count(), 1, "{answer}");
}
