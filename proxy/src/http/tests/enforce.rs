use std::io::ErrorKind;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::super::ending::RESET_GRACE;
use super::world::{Way, World, read_to_end, wire};

const HELLO: &str = "HTTP/1.1 200 OK|Content-Length: 5|X-Case: a||hello";
const GOOD: &str = "GET /1 HTTP/1.1|Host: good.test||";
const BAD: &str = "GET /2 HTTP/1.1|Host: bad.test||";

#[tokio::test]
async fn forbidden_is_a_page_and_the_connection_goes_on() {
    let world = World::new("forbidden", "block").await;
    let answer = world.talk(Way::Intercepted, &format!("{BAD}{GOOD}")).await;
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden|"), "{answer}");
    assert!(answer.contains("|cache-control: no-store|"), "{answer}");
    assert!(answer.contains("<b>bad.test</b>"), "{answer}");
    assert!(answer.ends_with(HELLO), "{answer}");
    assert_eq!(world.origin.seen().len(), 1);
    let log = &world.log(2).await[0];
    assert_eq!(log["source"], "block_list");
    assert_eq!(log["status"], 403);
}

#[tokio::test]
async fn forbidden_answers_head_without_a_body() {
    let world = World::new("forbidden", "block").await;
    let answer = world
        .talk(Way::Intercepted, &BAD.replace("GET", "HEAD"))
        .await;
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden|"), "{answer}");
    assert!(answer.ends_with("||"), "{answer}");
}

#[tokio::test]
async fn redirect_names_the_request() {
    let world = World::new("forbidden", "block").await;
    let port = world.origin.address.port();
    let request = "GET /a?b=\u{fc} HTTP/1.1|Host: Old.test||";
    let answer = world.talk(Way::Intercepted, request).await;
    assert!(answer.starts_with("HTTP/1.1 302 Found|"), "{answer}");
    assert!(
        answer.contains(&format!(
            "|location: http://good.test/moved?s=10020000000007&m=111220000001&\
             u=http%3A%2F%2FOld.test%3A{port}%2Fa%3Fb%3D%C3%BC|"
        )),
        "{answer}"
    );
}

#[tokio::test]
async fn discard_sends_earlier_answers_and_nothing_after() {
    let world = World::new("discard", "block").await;
    let answer = world
        .talk(Way::Intercepted, &format!("{GOOD}{BAD}{GOOD}"))
        .await;
    assert_eq!(answer, HELLO);
    assert_eq!(world.origin.seen().len(), 1);
    assert_eq!(world.talk(Way::Intercepted, BAD).await, "");
}

#[tokio::test]
async fn reset_sends_earlier_answers_first() {
    let world = World::new("reset", "block").await;
    for (request, expected) in [(format!("{GOOD}{BAD}{GOOD}"), HELLO), (BAD.to_owned(), "")] {
        world
            .connect(Way::Intercepted, async |mut client: TcpStream| {
                client.write_all(&wire(&request)).await.unwrap();
                let (answer, end) = read_to_end(&mut client).await;
                assert_eq!(answer, expected);
                assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
            })
            .await;
    }
    assert_eq!(world.origin.seen().len(), 1);
}

#[tokio::test]
async fn a_reset_takes_no_part_of_an_earlier_answer_along() {
    let world = World::new("reset", "block").await;
    let body = "x".repeat(1_000_000);
    let len = body.len();
    let echo = format!("POST /echo HTTP/1.1|Host: good.test|Content-Length: {len}||{body}");
    world
        .connect(Way::Intercepted, async |mut client: TcpStream| {
            client.write_all(&wire(&(echo + BAD))).await.unwrap();
            // Longer than what is sent takes to arrive.
            tokio::time::sleep(3 * RESET_GRACE).await;
            let (answer, end) = read_to_end(&mut client).await;
            let (_, received) = answer.split_once("||").unwrap();
            assert_eq!(received.len(), len);
            assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
        })
        .await;
}

#[tokio::test]
async fn the_page_is_readable_after_a_large_body() {
    let world = World::new("forbidden", "block").await;
    let len = 5_000_000;
    let head = format!("POST / HTTP/1.1|Host: bad.test|Content-Length: {len}||");
    world
        .connect(Way::Intercepted, async |mut client: TcpStream| {
            client.write_all(&wire(&head)).await.unwrap();
            client.write_all(&vec![b'x'; len]).await.unwrap();
            client.write_all(&wire(GOOD)).await.unwrap();
            client.shutdown().await.unwrap();
            let (answer, end) = read_to_end(&mut client).await;
            end.unwrap();
            assert!(answer.starts_with("HTTP/1.1 403 Forbidden|"), "{answer}");
            assert!(answer.ends_with(HELLO), "{answer}");
        })
        .await;
    assert_eq!(world.log(2).await[0]["bytes_in"], len);
}

#[tokio::test]
async fn a_blocked_body_is_not_asked_for() {
    let world = World::new("forbidden", "block").await;
    let head = "POST / HTTP/1.1|Host: bad.test|Content-Length: 3|Expect: 100-continue||";
    world
        .connect(Way::Intercepted, async |mut client: TcpStream| {
            client.write_all(&wire(head)).await.unwrap();
            let (answer, end) = read_to_end(&mut client).await;
            end.unwrap();
            assert!(answer.starts_with("HTTP/1.1 403 Forbidden|"), "{answer}");
            assert!(answer.contains("|connection: close|"), "{answer}");
        })
        .await;
}

#[tokio::test]
async fn an_invalid_host_is_undecidable() {
    let world = World::new("forbidden", "block").await;
    let request = "GET / HTTP/1.1|Host: 1.2.3.256||";
    let answer = world.talk(Way::Intercepted, request).await;
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden|"), "{answer}");
    assert_eq!(world.log(1).await[0]["undecidable"], "invalid_host");
    let world = World::new("forbidden", "pass").await;
    assert_eq!(world.talk(Way::Intercepted, request).await, HELLO);
}

#[tokio::test]
async fn other_protocols_are_undecidable() {
    for (bytes, word) in [
        ("SSH-2.0-test|", "not_http"),
        ("PRI * HTTP/2.0||SM||", "http2_preface"),
    ] {
        let world = World::new("discard", "block").await;
        assert_eq!(world.talk(Way::Intercepted, bytes).await, "");
        assert_eq!(world.log(1).await[0]["undecidable"], word);
        assert_eq!(world.origin.seen().len(), 0);

        let world = World::new("discard", "pass").await;
        world.talk(Way::Intercepted, bytes).await;
        assert_eq!(world.log(1).await[0]["action"], "pass");
        assert!(world.origin.seen()[0].contains(bytes.split('|').next().unwrap()));
    }
}
