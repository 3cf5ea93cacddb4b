use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

#[tokio::test]
async fn answers() {
    let metrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let text = "text/plain; charset=utf-8";
    check("GET /metrics", 200, metrics, "a_total 1\n# EOF\n").await;
    check("GET /metrics?x=1", 200, metrics, "a_total 1\n# EOF\n").await;
    check("HEAD /metrics", 200, metrics, "").await;
    check("GET /ready", 503, text, "no list is loaded\n").await;
    check("GET /live", 200, text, "live\n").await;
    check("GET /", 404, text, "use /metrics, /ready or /live\n").await;
    check("POST /metrics", 405, text, "use GET or HEAD\n").await;
    check("POST /", 404, text, "use /metrics, /ready or /live\n").await;
}

#[track_caller]
fn assert_answer(line: &str, answer: &str, status: u16, content_type: &str, body: &str) {
    let (head, found) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with(&format!("HTTP/1.1 {status} ")),
        "{line}: {head}"
    );
    assert!(
        head.contains(&format!("content-type: {content_type}\r\n")),
        "{line}: {head}"
    );
    assert_eq!(
        head.contains("allow: GET, HEAD"),
        status == 405,
        "{line}: {head}"
    );
    assert_eq!(found, body, "{line}");
}

async fn check(line: &str, status: u16, content_type: &str, body: &str) {
    let (address, drain) = started().await;
    let request = format!("{line} HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let answer = exchange(address, request.as_bytes()).await;
    assert_answer(line, &answer, status, content_type, body);
    assert_eq!(drain.drain(Duration::from_secs(5)).await, Ok(()));
}

#[tokio::test]
async fn questions_are_answered_where_something_can_be_explained() {
    for (line, status, content_type, body) in [
        (
            "GET /explain?text",
            200,
            "text/plain; charset=utf-8",
            "text",
        ),
        ("HEAD /explain?text", 200, "text/plain; charset=utf-8", ""),
        ("GET /explain?json", 200, "application/json", "json"),
        (
            "GET /explain",
            400,
            "text/plain; charset=utf-8",
            "wrong: \n",
        ),
        (
            "GET /explain?busy",
            503,
            "text/plain; charset=utf-8",
            "busy\n",
        ),
        (
            "POST /explain?text",
            405,
            "text/plain; charset=utf-8",
            "use GET or HEAD\n",
        ),
        (
            "GET /explained",
            404,
            "text/plain; charset=utf-8",
            "use /metrics, /ready, /live or /explain\n",
        ),
    ] {
        let (admin, address) = Admin::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let drain = Drain::default();
        let mut pages = pages();
        pages.explain = Some(Arc::new(|query| {
            Box::pin(async move {
                match query.as_str() {
                    "text" => Explained::Text(query),
                    "json" => Explained::Json(query),
                    "busy" => Explained::Busy(query),
                    _ => Explained::Wrong(format!("wrong: {query}")),
                }
            })
        }));
        admin.serve(pages, &drain);
        let request = format!("{line} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        let answer = exchange(address, request.as_bytes()).await;
        assert_answer(line, &answer, status, content_type, body);
        assert!(
            answer.contains("x-content-type-options: nosniff\r\n"),
            "{answer}"
        );
    }
}

/// Of `/explain` alone: `/metrics` is asked by names, and tells nothing of subscribers.
#[tokio::test]
async fn other_pages_in_a_browser_ask_nothing() {
    let (admin, address) = Admin::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let drain = Drain::default();
    let mut pages = pages();
    pages.explain = Some(Arc::new(|query| {
        Box::pin(async move { Explained::Text(query) })
    }));
    admin.serve(pages, &drain);
    for (fields, status) in [
        ("Host: 127.0.0.1:9090", 200),
        ("Host: 127.0.0.1", 200),
        ("Host: [::1]:9090", 200),
        ("Host: [::1]", 200),
        ("Host: LocalHost:9090", 200),
        ("X-No-Host: HTTP/1.0 had none", 200),
        ("Host: 127.0.0.1\r\nSec-Fetch-Site: none", 200),
        ("Host: 127.0.0.1\r\nSec-Fetch-Site: same-origin", 200),
        ("Host: evil.example:9090", 403),
        ("Host: evil.localhost", 403),
        ("Host: 127.0.0.1.evil.example", 403),
        ("Host: 127.0.0.1\r\nHost: evil.example", 403),
        ("Host:", 403),
        ("Host: 127.0.0.1\r\nSec-Fetch-Site: cross-site", 403),
        ("Host: 127.0.0.1\r\nSec-Fetch-Site: same-site", 403),
        ("Host: 127.0.0.1\r\nOrigin: http://evil.example", 403),
        ("Host: 127.0.0.1\r\nOrigin: null", 403),
    ] {
        let request = format!("GET /explain?text HTTP/1.1\r\n{fields}\r\n\r\n");
        let answer = exchange(address, request.as_bytes()).await;
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{fields}: {answer}");
        let told = "ask by IP address or as localhost, and not from a page of another site; \
                    `weir explain --admin` does\n";
        assert_eq!(answer.ends_with(told), status == 403, "{fields}: {answer}");
    }
}

#[tokio::test]
async fn ready_says_ready() {
    let (admin, address) = Admin::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let drain = Drain::default();
    let mut pages = pages();
    pages.ready = Arc::new(|| Ok(()));
    admin.serve(pages, &drain);
    let answer = exchange(address, b"GET /ready HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\nready\n"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_head_is_cut_off() {
    let (address, _drain) = started().await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /live HT").await.unwrap();
    let mut rest = Vec::new();
    let ended = time::timeout(HEADER_DEADLINE * 2, client.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the connection is closed");
}

#[tokio::test]
async fn idle_clients_over_the_limit_make_room_for_the_next() {
    let (address, _drain) = started().await;
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS_MAX * 5 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let asked = time::Instant::now();
    let answer = exchange(address, b"GET /live HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.ends_with("live\n"), "{answer}");
    assert!(
        asked.elapsed() < HEADER_DEADLINE,
        "no idle client was waited for"
    );
    let oldest = idle.first_mut().unwrap().read(&mut [0]).await;
    assert_eq!(oldest.unwrap(), 0, "the oldest made room");
}

async fn started() -> (SocketAddr, Drain) {
    let (admin, address) = Admin::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let drain = Drain::default();
    admin.serve(pages(), &drain);
    (address, drain)
}

#[test]
fn metrics_that_were_added_are_before_the_one_end() {
    let own = || "a_total 1\n# EOF\n".to_owned();
    assert_eq!(Added::default().behind(own()), own());
    let added = Added {
        metrics: Some(Arc::new(|| "b 2\n# EOF\n".to_owned())),
        route: None,
    };
    assert_eq!(added.behind(own()), "a_total 1\nb 2\n# EOF\n");
}

fn pages() -> Pages {
    Pages {
        metrics: Arc::new(|| "a_total 1\n# EOF\n".to_owned()),
        ready: Arc::new(|| Err("no list is loaded".to_owned())),
        explain: None,
        route: None,
    }
}

#[tokio::test]
async fn what_was_added_answers_at_its_path_and_below() {
    let (admin, address) = Admin::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let drain = Drain::default();
    let mut pages = pages();
    pages.route = Some(Route {
        path: "/things",
        answer: Arc::new(|request| {
            let text = format!("{} {}", request.method(), request.uri());
            Box::pin(async move { Response::new(Full::from(text)) })
        }),
    });
    admin.serve(pages, &drain);
    for (line, body) in [
        ("GET /things", "GET /things"),
        ("PUT /things/a/b?c=d", "PUT /things/a/b?c=d"),
        ("DELETE /things/", "DELETE /things/"),
        ("GET /thingsx", "use /metrics, /ready, /live or /things\n"),
        ("GET /live", "live\n"),
    ] {
        let request = format!("{line} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        let answer = exchange(address, request.as_bytes()).await;
        assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
        for field in ["cache-control: no-store", "x-content-type-options: nosniff"] {
            assert!(answer.contains(&format!("{field}\r\n")), "{answer}");
        }
    }
}

async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(request).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    answer
}
