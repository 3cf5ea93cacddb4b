use std::future::poll_fn;
use std::io::ErrorKind;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::config::{AccessLog, Config};
use crate::fixture::{self, hello, intercepted, origin, pair, tunnelled};

#[tokio::test]
async fn what_passes_reaches_the_origin_untouched() {
    let (listener, address) = origin().await;
    let (mut client, accepted) = pair().await;
    let worker = worker("discard", "block");
    let serving = serve(worker, intercepted(address), fixture::client(accepted));
    let exchange = async {
        let sent = [&hello(Some(b"GOOD.example."))[..], b"and what follows"].concat();
        client.write_all(&sent).await.unwrap();
        client.shutdown().await.unwrap();
        let (mut origin, _) = listener.accept().await.unwrap();
        let mut received = Vec::new();
        origin.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, sent, "up to the end of the client's half");
        origin.write_all(b"an answer after that end").await.unwrap();
        drop(origin);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"an answer after that end");
    };
    tokio::join!(serving, exchange);
}

#[tokio::test]
async fn what_is_blocked_gets_what_the_profile_says() {
    check(&hello(Some(b"bad.example")), "discard", Ok(b"")).await;
    check(
        &hello(Some(b"www.bad.example")),
        "forbidden",
        Ok(&ACCESS_DENIED),
    )
    .await;
    check(&hello(Some(b"bad.example")), "reset", Err(())).await;
    check(&hello(Some(b"unknown.example")), "discard", Ok(b"")).await;
}

#[tokio::test]
async fn each_undecidable_hello_has_its_reason() {
    let cases: [(&[u8], &str); 8] = [
        (&hello(None), "no_sni"),
        (&hello(Some(b"")), "invalid_host"),
        (&hello(Some(b"good.example\0.bad.example")), "invalid_host"),
        (b"GET / HTTP/1.1\r\n\r\n", "not_tls"),
        (&[0x80, 0x2e, 1, 3, 1], "sslv2_hello"),
        (&[22, 3, 1, 0, 4, 2, 0, 0, 0], "hello_malformed"),
        (&[22, 3, 1, 0, 4, 1, 1, 0, 0], "hello_too_long"),
        (&hello(Some(b"good.example"))[..30], "hello_malformed"),
    ];
    for (bytes, reason) in cases {
        check_undecidable(bytes, reason).await;
    }
}

#[tokio::test]
async fn a_connection_that_outlives_the_proxy_is_logged_all_the_same() {
    let (listener, address) = origin().await;
    let (mut client, accepted) = pair().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let mut config = fixture::config();
    config.access_log = Some(AccessLog {
        path: Some(path.clone()),
        redact_subscriber: false,
        redact_query: false,
    });
    let worker = fixture::worker(config, fixture::content("discard", "block"));
    let serving = serve(
        worker.clone(),
        intercepted(address),
        fixture::client(accepted),
    );
    let opening = async {
        let hello = hello(Some(b"good.example"));
        client.write_all(&hello).await.unwrap();
        let (mut origin, _) = listener.accept().await.unwrap();
        origin.read_exact(&mut vec![0; hello.len()]).await.unwrap();
    };
    tokio::select! {
        () = serving => panic!("the tunnel stands"),
        () = opening => {}
    }
    worker.shared.access_log.close();
    let line = std::fs::read_to_string(path).unwrap();
    assert!(line.contains(r#""sni":"good.example""#), "{line}");
    assert!(line.contains(r#""failure":"stopped""#), "{line}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_undecidable_at_the_deadline() {
    let (listener, address) = origin().await;
    let (mut client, accepted) = pair().await;
    let worker = worker("discard", "block");
    serve(
        worker.clone(),
        intercepted(address),
        fixture::client(accepted),
    )
    .await;
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    assert!(counted(&worker, "hello_too_late"));
    assert!(nobody_came(&listener).await);
}

#[tokio::test]
async fn long_hellos_share_a_memory_and_ordinary_ones_need_none() {
    let mut config = fixture::config();
    config.client_hello.memory_bytes_max = 16 * 1024;
    let worker = fixture::worker(config, fixture::content("discard", "block"));
    let serve_next = async |bytes: &[u8]| {
        let (mut client, accepted) = pair().await;
        client.write_all(bytes).await.unwrap();
        let served = serve(
            worker.clone(),
            intercepted(([192, 0, 3, 1], 443).into()),
            fixture::client(accepted),
        );
        (client, Box::pin(served))
    };
    // Over 16 KiB of one that is not whole: its second 16 KiB are all that there are.
    let long = [
        &[22, 3, 1, 0x40, 0, 1, 0, 0x80, 0][..],
        &[0; 16_380],
        &[22, 3, 1, 0x40, 0],
        &[0; 4_000],
    ]
    .concat();
    let (_first_client, mut first) = serve_next(&long).await;
    let (_second_client, second) = serve_next(&long).await;
    tokio::select! {
        biased;
        () = &mut first => panic!("it waits for more"),
        () = second => {}
    }
    assert!(counted(&worker, "hello_overload"));
    let (mut ordinary_client, ordinary) = serve_next(&hello(Some(b"bad.example"))).await;
    ordinary_client.shutdown().await.unwrap();
    tokio::select! {
        biased;
        () = &mut first => panic!("it waits for more"),
        () = ordinary => {}
    }
    drop(first);
    let (third_client, third) = serve_next(&long).await;
    drop(third_client);
    third.await;
    assert!(counted(&worker, "hello_overload"), "no more than the once");
    assert!(counted(&worker, "hello_malformed"), "which ended early");
}

#[tokio::test]
async fn an_encrypted_hello_is_judged_by_its_outer_name_and_counted() {
    let mut bytes = hello(Some(b"bad.example"));
    bytes.extend([0xfe, 0x0d, 0, 1, 0]);
    // Record, message, extensions: five bytes more in each.
    for low in [4, 8, 51] {
        bytes[low] += 5;
    }
    let (mut client, accepted) = pair().await;
    client.write_all(&bytes).await.unwrap();
    let worker = worker("forbidden", "block");
    let reading = async {
        let mut received = [0; 7];
        client.read_exact(&mut received).await.unwrap();
        drop(client);
        received
    };
    let serving = serve(
        worker.clone(),
        intercepted(([192, 0, 3, 1], 443).into()),
        fixture::client(accepted),
    );
    assert_eq!(tokio::join!(serving, reading).1, ACCESS_DENIED);
    let counted = worker.shared.metrics.encode();
    assert!(
        counted.contains("\nweir_encrypted_client_hellos_total 1"),
        "{counted}"
    );
}

#[tokio::test]
async fn an_undecidable_hello_may_pass() {
    let (listener, address) = origin().await;
    let (mut client, accepted) = pair().await;
    let serving = serve(
        worker("discard", "pass"),
        intercepted(address),
        fixture::client(accepted),
    );
    let exchange = async move {
        client.write_all(b"SSH-2.0-x\r\n").await.unwrap();
        let (mut origin, _) = listener.accept().await.unwrap();
        let mut received = [0; 11];
        origin.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"SSH-2.0-x\r\n");
    };
    tokio::join!(serving, exchange);
}

#[tokio::test]
async fn a_name_in_a_tunnel_must_be_that_of_its_authority() {
    let cases = [
        ("good.example", &b"other.good.example"[..], true),
        ("good.example:443", b"bad.example", true),
        ("good.example", b"Good.Example.", false),
        ("127.0.0.1:1", b"good.example", false),
    ];
    for (authority, sni, mismatch) in cases {
        let mut content = fixture::content("discard", "block");
        let nowhere = [("good.example".to_owned(), "127.0.0.1:1".parse().unwrap())];
        content.static_hosts = Arc::new(nowhere.into());
        let worker = fixture::worker(fixture::config(), content);
        let (mut client, accepted) = pair().await;
        client.write_all(&hello(Some(sni))).await.unwrap();
        client.shutdown().await.unwrap();
        serve(
            worker.clone(),
            tunnelled(authority),
            fixture::client(accepted),
        )
        .await;
        let found = counted(&worker, "authority_mismatch");
        assert_eq!(found, mismatch, "{authority}");
    }
}

#[tokio::test]
async fn an_origin_that_is_not_there_is_a_reset() {
    let (listener, address) = origin().await;
    drop(listener);
    let (mut client, accepted) = pair().await;
    client
        .write_all(&hello(Some(b"good.example")))
        .await
        .unwrap();
    serve(
        worker("discard", "block"),
        intercepted(address),
        fixture::client(accepted),
    )
    .await;
    let error = client.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn where_the_proxy_does_not_go_is_a_reset() {
    let (listener, address) = origin().await;
    let worker = worker("discard", "block");
    worker.shared.forbidden.store(vec![address].into());
    let (mut client, accepted) = pair().await;
    client
        .write_all(&hello(Some(b"good.example")))
        .await
        .unwrap();
    serve(worker, intercepted(address), fixture::client(accepted)).await;
    assert!(client.read(&mut [0]).await.is_err());
    assert!(nobody_came(&listener).await);
}

/// A hello gets these bytes and an end, or a reset, and the origin hears of nothing.
async fn check(hello: &[u8], response: &str, expected: Result<&[u8], ()>) {
    let (listener, address) = origin().await;
    let (mut client, accepted) = pair().await;
    client.write_all(hello).await.unwrap();
    let serving = serve(
        worker(response, "block"),
        intercepted(address),
        fixture::client(accepted),
    );
    let reading = async {
        let mut received = Vec::new();
        let read = client.read_to_end(&mut received).await;
        drop(client);
        read.map(|_| received).map_err(|_| ())
    };
    let ((), received) = tokio::join!(serving, reading);
    assert_eq!(
        received.as_deref(),
        expected.as_ref().map(|bytes| *bytes).map_err(|()| &())
    );
    assert!(nobody_came(&listener).await);
}

async fn check_undecidable(bytes: &[u8], reason: &str) {
    let (listener, address) = origin().await;
    let (mut client, accepted) = pair().await;
    client.write_all(bytes).await.unwrap();
    client.shutdown().await.unwrap();
    let worker = worker("discard", "block");
    serve(
        worker.clone(),
        intercepted(address),
        fixture::client(accepted),
    )
    .await;
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "{reason}");
    assert!(counted(&worker, reason), "{reason}");
    assert!(nobody_came(&listener).await);
}

fn worker(response: &str, undecidable: &str) -> Rc<Worker> {
    let mut config: Config = fixture::config();
    config.client_hello.deadline = Duration::from_secs(30);
    fixture::worker(config, fixture::content(response, undecidable))
}

fn counted(worker: &Worker, reason: &str) -> bool {
    let line = format!("weir_undecidable_total{{reason=\"{reason}\"}} 1");
    worker.shared.metrics.encode().contains(&line)
}

async fn nobody_came(listener: &TcpListener) -> bool {
    let came: Poll<std::io::Result<TcpStream>> = poll_fn(|context| {
        let accepted = listener.poll_accept(context);
        Poll::Ready(accepted.map(|accepted| accepted.map(|(stream, _)| stream)))
    })
    .await;
    came.is_pending()
}
