use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::world::{Way, World, read_to_end, read_until, wire};

const OPEN: &str = "HTTP/1.1 200 Connection established||";
const HELLO: &str = "HTTP/1.1 200 OK|Content-Length: 5|X-Case: a||hello";

#[tokio::test]
async fn requests_inside_a_tunnel_are_judged() {
    let world = World::new("forbidden", "block").await;
    let port = world.origin.address.port();
    let connect = format!("CONNECT good.test:{port} HTTP/1.1|Host: good.test||");
    world
        .connect(Way::Explicit, async |mut client: TcpStream| {
            client.write_all(&wire(&connect)).await.unwrap();
            read_until(&mut client, OPEN).await;
            client
                .write_all(&wire("GET /1 HTTP/1.1|Host: good.test||"))
                .await
                .unwrap();
            read_until(&mut client, HELLO).await;
            client
                .write_all(&wire("GET /2 HTTP/1.1|Host: other.test||"))
                .await
                .unwrap();
            client.shutdown().await.unwrap();
            let (answer, _) = read_to_end(&mut client).await;
            assert!(answer.starts_with("HTTP/1.1 403 Forbidden|"), "{answer}");
        })
        .await;
    assert_eq!(
        world.origin.seen(),
        ["1: GET /1 HTTP/1.1|Host: good.test||"]
    );
    let log = world.log(3).await;
    assert_eq!(log[0]["method"], "CONNECT");
    assert_eq!(log[0]["status"], 200);
    assert_eq!(log[2]["undecidable"], "authority_mismatch");
}

#[tokio::test]
async fn bytes_sent_with_connect_belong_to_the_tunnel() {
    let world = World::new("forbidden", "block").await;
    let port = world.origin.address.port();
    let connect =
        format!("CONNECT good.test:{port} HTTP/1.1|Host: x||GET /1 HTTP/1.1|Host: good.test||");
    let answer = world.talk(Way::Explicit, &connect).await;
    assert_eq!(answer, format!("{OPEN}{HELLO}"));
}

#[tokio::test]
async fn connect_is_refused_by_its_authority() {
    for (response, authority, expected) in [
        ("forbidden", "bad.test:443", "HTTP/1.1 403 Forbidden|"),
        ("forbidden", "old.test:443", "HTTP/1.1 403 Forbidden|"),
        ("forbidden", "good.test:25", "HTTP/1.1 403 Forbidden|"),
        ("forbidden", "good.test", "HTTP/1.1 400 Bad Request|"),
        ("forbidden", "good.test:99999", "HTTP/1.1 400 Bad Request|"),
        ("forbidden", "1.2.3.256:443", "HTTP/1.1 403 Forbidden|"),
        ("discard", "bad.test:443", ""),
        ("reset", "bad.test:443", ""),
    ] {
        let world = World::new(response, "block").await;
        let request = format!("CONNECT {authority} HTTP/1.1|Host: good.test||");
        world
            .connect(Way::Explicit, async |mut client: TcpStream| {
                client.write_all(&wire(&request)).await.unwrap();
                client.shutdown().await.unwrap();
                let (answer, end) = read_to_end(&mut client).await;
                assert!(answer.starts_with(expected), "{authority}: {answer}");
                assert_eq!(answer.is_empty(), expected.is_empty());
                assert_eq!(end.is_err(), response == "reset", "{authority}");
            })
            .await;
    }
}
