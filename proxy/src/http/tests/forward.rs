use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::world::{Way, World, read_to_end, read_until, wire};

const HELLO: &str = "HTTP/1.1 200 OK|Content-Length: 5|X-Case: a||hello";

#[tokio::test]
async fn a_request_that_passes() {
    let world = World::new("forbidden", "block").await;
    let request = "GET /a%2e?b HTTP/1.1|X-Mine: 1|hOST: Good.Test|Connection: X-Hop|X-Hop: 2|\
        Upgrade: h2c|TE: trailers||";
    assert_eq!(world.talk(Way::Intercepted, request).await, HELLO);
    let log = &world.log(1).await[0];
    assert_eq!(log["kind"], "decision");
    assert_eq!(log["action"], "pass");
    assert_eq!(log["status"], 200);
    assert_eq!(log["bytes_out"], 5);
    let host = format!("Good.Test:{}", world.origin.address.port());
    assert_eq!(
        world.origin.seen(),
        ["1: GET /a%2e?b HTTP/1.1|X-Mine: 1|hOST: good.test||"],
        "{host}"
    );
}

#[tokio::test]
async fn explicit_requests_say_via_and_go_to_their_own_authority() {
    let world = World::new("forbidden", "block").await;
    let request = "GET http://u@good.test/a HTTP/1.1|Host: bad.test|Proxy-Connection: close||";
    let answer = world.talk(Way::Explicit, request).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK|"), "{answer}");
    let seen = world.origin.seen();
    let [seen] = seen.as_slice() else {
        panic!("{seen:?}");
    };
    assert!(
        seen.starts_with("1: GET /a HTTP/1.1|Host: good.test|via: 1.1 weir-"),
        "{seen}"
    );
    let via = seen
        .rsplit("via: ")
        .next()
        .unwrap()
        .trim_end_matches('|')
        .to_owned();
    let again = format!("GET http://good.test/ HTTP/1.1|Host: good.test|Via: {via}||");
    let answer = world.talk(Way::Explicit, &again).await;
    assert!(
        answer.starts_with("HTTP/1.1 508 Loop Detected|"),
        "{answer}"
    );
}

#[tokio::test]
async fn an_absolute_target_is_judged_and_goes_to_the_original_destination() {
    let world = World::new("forbidden", "block").await;
    let request = "GET http://good.test?x HTTP/1.1|Host: bad.test||";
    assert_eq!(world.talk(Way::Intercepted, request).await, HELLO);
    assert_eq!(
        world.origin.seen(),
        ["1: GET /?x HTTP/1.1|Host: good.test||"]
    );
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_over_one_origin_connection() {
    let world = World::new("forbidden", "block").await;
    let request = "GET /1 HTTP/1.1|Host: good.test||POST /echo HTTP/1.1|Host: good.test|\
        Content-Length: 3||abcGET /chunked HTTP/1.1|Host: good.test||";
    let answer = world.talk(Way::Intercepted, request).await;
    let chunked = "HTTP/1.1 200 OK|X-Case: a|Transfer-Encoding: chunked||3|abc|2|de|0||";
    assert_eq!(
        answer,
        format!("{HELLO}HTTP/1.1 200 OK|Content-Length: 3||abc{chunked}")
    );
    let seen = world.origin.seen();
    assert!(seen.iter().all(|seen| seen.starts_with("1: ")), "{seen:?}");
    assert_eq!(world.log(3).await.len(), 3);
}

#[tokio::test]
async fn chunked_bodies_pass_in_both_directions() {
    let world = World::new("forbidden", "block").await;
    let request = "POST /echo HTTP/1.1|Host: good.test|Transfer-Encoding: chunked||\
        3;x=y|abc|1|d|0|X-Trailer: 1||GET /1 HTTP/1.1|Host: good.test||";
    let answer = world.talk(Way::Intercepted, request).await;
    assert!(
        answer.contains("|Content-Length: 19||3|abc|1|d|0||HTTP/1.1 200 OK|"),
        "{answer}"
    );
    assert!(answer.ends_with(HELLO), "{answer}");
    let request = "GET /chunked HTTP/1.0|Host: good.test||";
    let answer = world.talk(Way::Intercepted, request).await;
    assert_eq!(answer, "HTTP/1.0 200 OK|X-Case: a||abcde");
}

#[tokio::test]
async fn a_body_with_a_get_is_forwarded() {
    let world = World::new("forbidden", "block").await;
    let request = "GET /echo HTTP/1.1|Host: good.test|Transfer-Encoding: chunked||1|x|0||";
    let answer = world.talk(Way::Intercepted, request).await;
    assert!(answer.ends_with("||1|x|0||"), "{answer}");
}

#[tokio::test]
async fn head_has_a_length_and_no_body() {
    let world = World::new("forbidden", "block").await;
    let request = "HEAD /head HTTP/1.1|Host: good.test||GET /1 HTTP/1.1|Host: good.test||";
    let answer = world.talk(Way::Intercepted, request).await;
    assert_eq!(
        answer,
        format!("HTTP/1.1 200 OK|Content-Length: 77||{HELLO}")
    );
}

#[tokio::test]
async fn http_1_0_without_host_asks_the_address() {
    let world = World::new("forbidden", "block").await;
    let answer = world.talk(Way::Intercepted, "GET / HTTP/1.0||").await;
    assert!(answer.starts_with("HTTP/1.0 403 Forbidden|"), "{answer}");
    let log = &world.log(1).await[0];
    assert_eq!(log["uri"], format!("http://{}/", world.origin.address));
}

#[tokio::test]
async fn expect_is_the_origins_to_answer() {
    let world = World::new("forbidden", "block").await;
    let head = "POST /continue HTTP/1.1|Host: good.test|Content-Length: 3|Expect: 100-continue||";
    world
        .connect(Way::Intercepted, async |mut client: TcpStream| {
            client.write_all(&wire(head)).await.unwrap();
            read_until(&mut client, "HTTP/1.1 100 Continue||").await;
            client.write_all(b"abc").await.unwrap();
            read_until(&mut client, "|Content-Length: 3||abc").await;
            // An origin that refuses at once.
            let head = head.replace("/continue", "/final");
            client.write_all(&wire(&head)).await.unwrap();
            let (answer, _) = read_to_end(&mut client).await;
            assert_eq!(
                answer,
                "HTTP/1.1 401 Unauthorized|Content-Length: 2|connection: close||no"
            );
        })
        .await;
    world
        .connect(Way::Intercepted, async |mut client: TcpStream| {
            // An origin that waits for the body, and a client that loses its patience.
            let head = head.replace("/continue", "/echo");
            client.write_all(&wire(&head)).await.unwrap();
            let mut byte = [0];
            let pause = std::time::Duration::from_millis(50);
            let early = tokio::time::timeout(pause, client.read(&mut byte)).await;
            assert!(early.is_err(), "100 was not the origin's");
            client.write_all(b"abc").await.unwrap();
            read_until(&mut client, "|Content-Length: 3||abc").await;
        })
        .await;
}

#[tokio::test]
async fn a_kept_origin_connection_that_is_closed_is_replaced() {
    let world = World::new("forbidden", "block").await;
    let request = "GET /silent-later HTTP/1.1|Host: good.test||".repeat(3);
    let answer = world.talk(Way::Intercepted, &request).await;
    assert_eq!(answer, HELLO.repeat(3));
    assert_eq!(world.origin.seen().len(), 3);
    assert!(world.origin.seen()[2].starts_with("3: "));
}

#[tokio::test]
async fn origins_that_fail() {
    let world = World::new("forbidden", "block").await;
    let answer = world
        .talk(Way::Intercepted, "GET /eof HTTP/1.1|Host: good.test||")
        .await;
    assert_eq!(
        answer,
        "HTTP/1.1 200 OK|transfer-encoding: chunked||D|until the end|0||"
    );
    for path in ["/nonsense", "/gzip"] {
        let request = format!("GET {path} HTTP/1.1|Host: good.test||");
        let answer = world.talk(Way::Intercepted, &request).await;
        assert!(
            answer.starts_with("HTTP/1.1 502 Bad Gateway|"),
            "{path}: {answer}"
        );
    }
    world
        .connect(Way::Intercepted, async |mut client: TcpStream| {
            let request = "GET /broken HTTP/1.1|Host: good.test||";
            client.write_all(&wire(request)).await.unwrap();
            let (answer, end) = read_to_end(&mut client).await;
            assert!(
                end.is_err(),
                "an answer that broke off looks whole: {answer}"
            );
        })
        .await;
    let answer = world
        .talk(
            Way::Explicit,
            "GET http://nowhere.good.test/ HTTP/1.1|Host: x||",
        )
        .await;
    assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway|"), "{answer}");
}

#[tokio::test]
async fn websocket_is_forwarded() {
    let world = World::new("forbidden", "block").await;
    let request = "GET /socket HTTP/1.1|Host: good.test|Upgrade: websocket|Connection: Upgrade|\
        Sec-WebSocket-Key: k||";
    world
        .connect(Way::Intercepted, async |mut client: TcpStream| {
            client
                .write_all(&wire(&format!("{request}early")))
                .await
                .unwrap();
            let answer = read_until(&mut client, "firstearly").await;
            assert!(
                answer.starts_with("HTTP/1.1 101 Switching Protocols|"),
                "{answer}"
            );
            assert!(
                answer.to_lowercase().contains("|upgrade: websocket|"),
                "{answer}"
            );
            client.write_all(b"GET / HTTP/1.1").await.unwrap();
            read_until(&mut client, "GET / HTTP/1.1").await;
        })
        .await;
    // An origin that does not want to: HTTP goes on.
    let request = request.replace("/socket", "/1") + "GET /2 HTTP/1.1|Host: good.test||";
    let answer = world.talk(Way::Intercepted, &request).await;
    assert_eq!(answer, HELLO.repeat(2));
    let log = world.log(3).await;
    assert_eq!(log[0]["status"], 101);
    assert_eq!(log[0]["bytes_in"], 19);
}

#[tokio::test]
async fn bytes_come_one_at_a_time() {
    let world = World::new("forbidden", "block").await;
    let request = "POST /echo HTTP/1.1|Host: good.test|Transfer-Encoding: chunked||3|abc|0||\
        GET /1 HTTP/1.1|Host: good.test||";
    world
        .connect(Way::Intercepted, async |mut client: TcpStream| {
            client.set_nodelay(true).unwrap();
            for byte in wire(request) {
                client.write_all(&[byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            read_until(&mut client, HELLO).await;
        })
        .await;
    let seen = world.origin.seen();
    assert!(seen.iter().all(|seen| seen.starts_with("1: ")), "{seen:?}");
}

#[tokio::test]
async fn informational_answers_are_forwarded_in_their_place() {
    let world = World::new("forbidden", "block").await;
    let hints = "GET /hints HTTP/1.1|Host: good.test||";
    let request = format!("GET /1 HTTP/1.1|Host: good.test||{hints}{hints}");
    let answer = world.talk(Way::Intercepted, &request).await;
    let early = "HTTP/1.1 103 Early Hints|link: </a>||";
    assert_eq!(answer, format!("{HELLO}{early}{HELLO}{early}{HELLO}"));
    let old = "GET /hints HTTP/1.0|Host: good.test||";
    let answer = world.talk(Way::Intercepted, old).await;
    assert!(answer.starts_with("HTTP/1.0 200 OK|"), "{answer}");
}

#[tokio::test]
async fn answers_are_mended_where_a_proxy_must() {
    let world = World::new("forbidden", "block").await;
    let request = "GET /mended HTTP/1.1|Host: good.test||";
    let answer = world.talk(Way::Intercepted, request).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK|Content-Length: 2|X-Folded: a"),
        "{answer}"
    );
    assert!(answer.ends_with("b||ok"), "{answer}");
}

#[tokio::test]
async fn an_origin_that_never_answers_is_given_up() {
    let world = World::new("forbidden", "block").await;
    world
        .connect(Way::Intercepted, async |mut client: TcpStream| {
            let request = "GET /never HTTP/1.1|Host: good.test||";
            client.write_all(&wire(request)).await.unwrap();
            while world.origin.seen().is_empty() {
                tokio::task::yield_now().await;
            }
            // From here on only timers are left, so the clock jumps from one to the next.
            tokio::time::pause();
            let answer = read_until(&mut client, "</html>\n").await;
            assert!(
                answer.starts_with("HTTP/1.1 504 Gateway Timeout|"),
                "{answer}"
            );
            tokio::time::resume();
        })
        .await;
    assert_eq!(world.log(1).await[0]["failure"], "answer_late");
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let world = World::new("forbidden", "block").await;
    world
        .connect(Way::Intercepted, async |mut client: TcpStream| {
            client
                .write_all(&wire("GET /1 HTTP/1.1|Host: good.test||"))
                .await
                .unwrap();
            read_until(&mut client, HELLO).await;
            tokio::time::pause();
            let (answer, end) = read_to_end(&mut client).await;
            assert_eq!(answer, "");
            end.unwrap();
            tokio::time::resume();
        })
        .await;
}

#[tokio::test]
async fn an_address_where_the_proxy_does_not_go_is_refused() {
    let world = World::new("forbidden", "pass").await;
    world.forbid_origin();
    let request = "GET / HTTP/1.1|Host: good.test||";
    let answer = world.talk(Way::Intercepted, request).await;
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden|"), "{answer}");
    assert_eq!(world.log(1).await[0]["failure"], "forbidden");
}

/// The origin must read what was judged, whatever the client's spelling was.
#[tokio::test]
async fn what_is_judged_is_what_is_forwarded() {
    for (authority, path) in [
        ("good.test", "/"),
        ("GOOD.TEST.", "/a/../b"),
        ("%67ood.test", "/%2e%2e/x?y=%zz"),
        ("good.test:80", "//x//y;z?a;b"),
        ("good.test:", "/\\x"),
        ("a.good.test", "/x%00y"),
        ("\u{67}ood.test:1", "/%252e%252e/%25"),
    ] {
        for request in [
            format!("GET {path} HTTP/1.1|Host: {authority}||"),
            format!("GET http://u:p@{authority}{path} HTTP/1.1|Host: bad.test||"),
        ] {
            let world = World::new("forbidden", "block").await;
            let answer = world.talk(Way::Intercepted, &request).await;
            assert_eq!(answer, HELLO, "{request}");
            let judged = &world.log(1).await[0]["uri"];
            let seen = world.origin.seen_as_sent();
            let forwarded = wire(seen[0].split_once(": ").unwrap().1);
            let limits = http_head::Limits { head_len_max: 4096 };
            let http_head::Verdict::Head(head) = http_head::judge(&forwarded, &limits) else {
                panic!("{seen:?}");
            };
            let readings = head.readings(None).unwrap();
            assert_eq!(judged, readings.normal().as_str(), "{request}");
            assert_eq!(head.path_and_query(), path.as_bytes());
        }
    }
}

#[tokio::test]
async fn a_length_that_is_repeated_is_written_once() {
    for path in ["/twice", "/list"] {
        let world = World::new("forbidden", "block").await;
        let request = format!("GET {path} HTTP/1.1|Host: good.test||").repeat(2);
        let answer = world.talk(Way::Intercepted, &request).await;
        let expected = "HTTP/1.1 200 OK|Content-Length: 2||ok".repeat(2);
        assert_eq!(answer, expected, "{path}");
    }
    let world = World::new("forbidden", "block").await;
    let request = "HEAD /head-twice HTTP/1.1|Host: good.test||".repeat(2);
    let answer = world.talk(Way::Intercepted, &request).await;
    assert_eq!(answer, "HTTP/1.1 200 OK|Content-Length: 77||".repeat(2));
}

#[tokio::test]
async fn answers_without_a_body_end_with_their_head() {
    let world = World::new("forbidden", "block").await;
    let request = "GET /empty HTTP/1.1|Host: good.test||\
        GET /unchanged HTTP/1.1|Host: good.test||GET / HTTP/1.1|Host: good.test||";
    let answer = world.talk(Way::Intercepted, request).await;
    let expected = "HTTP/1.1 204 No Content||HTTP/1.1 304 Not Modified|ETag: x||";
    assert_eq!(answer, format!("{expected}{HELLO}"));
    assert_eq!(world.log(3).await.len(), 3);
}

/// A path that nobody judges still has an origin, also where the client names it.
#[tokio::test]
async fn a_path_with_too_many_readings_goes_where_its_host_says() {
    let path = "/a;b%2f..%5c%252e%3f%00";
    for (way, request) in [
        (
            Way::Intercepted,
            format!("GET {path} HTTP/1.1|Host: Good.Test||"),
        ),
        (
            Way::Explicit,
            format!("GET http://Good.Test{path} HTTP/1.1|Host: x||"),
        ),
    ] {
        let world = World::new("forbidden", "pass").await;
        let answer = world.talk(way, &request).await;
        assert!(answer.ends_with("||hello"), "{request}: {answer}");
        assert_eq!(world.log(1).await[0]["undecidable"], "ambiguous");
        let seen = world.origin.seen();
        assert!(seen[0].contains(path), "{seen:?}");
        assert!(seen[0].contains("|Host: Good.Test|") || seen[0].ends_with("|Host: good.test||"));
        let world = World::new("forbidden", "block").await;
        let answer = world.talk(way, &request).await;
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden|"), "{answer}");
        assert!(answer.contains("<b>good.test</b>"), "{answer}");
    }
}

/// Else what is added to the path opens any host.
#[tokio::test]
async fn a_path_with_too_many_readings_opens_no_blocked_host() {
    let world = World::new("forbidden", "pass").await;
    let request = "GET /a;b%2f..%5c%252e%3f%00 HTTP/1.1|Host: bad.test||";
    let answer = world.talk(Way::Intercepted, request).await;
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden|"), "{answer}");
    assert_eq!(world.log(1).await[0]["undecidable"], "ambiguous");
    assert!(world.origin.seen().is_empty());
}

/// A client that listens only after it has sent must see why it sent in vain.
#[tokio::test]
async fn an_upload_to_nowhere_is_answered() {
    let world = World::new("forbidden", "block").await;
    world
        .connect(Way::Explicit, async |mut client: TcpStream| {
            let body = vec![b'x'; 8_000_000];
            let head = format!(
                "POST http://nowhere.good.test/ HTTP/1.1|Host: x|Content-Length: {}||",
                body.len()
            );
            client.write_all(&wire(&head)).await.unwrap();
            client.write_all(&body).await.unwrap();
            let answer = read_until(&mut client, "</html>\n").await;
            assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway|"), "{answer}");
        })
        .await;
}

#[tokio::test]
async fn java_asks_for_h2c_and_keeps_its_connection() {
    let world = World::new("forbidden", "block").await;
    let request = "GET / HTTP/1.1|Host: good.test|Upgrade: h2c|HTTP2-Settings: AA|\
        Connection: Upgrade, HTTP2-Settings||";
    let answer = world.talk(Way::Intercepted, &request.repeat(3)).await;
    assert_eq!(answer, HELLO.repeat(3));
    assert!(
        world
            .origin
            .seen()
            .iter()
            .all(|seen| seen.starts_with("1: "))
    );
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_still_sends() {
    let world = World::new("forbidden", "block").await;
    world
        .connect(Way::Intercepted, async |mut client: TcpStream| {
            let head = "POST /early HTTP/1.1|Host: good.test|Content-Length: 3000000||";
            client.write_all(&wire(head)).await.unwrap();
            let (mut answer, mut upload) = client.split();
            let mut text = String::new();
            // The upload may be cut off; the answer may not.
            let body = vec![b'x'; 3_000_000];
            let (read, _) = tokio::join!(answer.read_to_string(&mut text), upload.write_all(&body));
            read.unwrap();
            assert!(text.ends_with("\r\n\r\ntoo much"), "{text}");
        })
        .await;
}
