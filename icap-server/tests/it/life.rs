use std::num::NonZeroUsize;

use icap_server::config::{Listen, Overload};
use icap_server::start;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::filter::{POLICY, with_policy};
use crate::harness::{Client, GET, config, content, exchange, reqmod, reqmod_of, started};

#[tokio::test]
async fn after_a_stop_every_answer_says_close() {
    let server = started().await;
    let mut idle = Client::connect(server.addresses()[0]);
    idle.send(reqmod("Allow: 204\r\n", GET));
    assert!(!idle.head().contains("Connection: close"));
    let request = reqmod("Allow: 204\r\n", GET);
    let (early, late) = request.split_at(30);
    let mut busy = Client::connect(server.addresses()[0]);
    busy.send(early);
    // The server has seen the first half once it has answered somebody else on either worker.
    for _ in 0..8 {
        exchange(server.addresses()[0], &request);
    }
    let stopping = tokio::spawn(server.stop());
    tokio::task::yield_now().await;
    let (idle_rest, busy_answer) = tokio::task::spawn_blocking({
        let late = late.to_owned();
        move || {
            let idle_rest = idle.rest();
            busy.send(late);
            (idle_rest, busy.rest())
        }
    })
    .await
    .unwrap();
    assert_eq!(idle_rest, "", "an idle connection is closed at once");
    assert!(busy_answer.starts_with("ICAP/1.0 204 "), "{busy_answer}");
    assert!(
        busy_answer.contains("\nConnection: close\n"),
        "{busy_answer}"
    );
    assert_eq!(stopping.await.unwrap(), 0);
}

#[tokio::test]
async fn a_client_that_says_close_is_answered_with_close() {
    let server = started().await;
    let mut client = Client::connect(server.addresses()[0]);
    client.send(reqmod("Allow: 204\r\nConnection: close\r\n", GET));
    let answer = client.rest();
    assert!(answer.contains("\nConnection: close\n"), "{answer}");
}

#[tokio::test]
async fn connections_over_the_limit_hear_503() {
    let mut config = config();
    config.connections_max = NonZeroUsize::new(2).unwrap();
    let server = start(config, content()).await.unwrap();
    let address = server.addresses()[0];
    let mut open: Vec<Client> = (0..2).map(|_| Client::connect(address)).collect();
    for client in &mut open {
        client.send(reqmod("Allow: 204\r\n", GET));
        assert!(client.head().starts_with("ICAP/1.0 204 "));
    }
    let answer = exchange(address, reqmod("Allow: 204\r\n", GET));
    assert!(
        answer.starts_with("ICAP/1.0 503 Service Overloaded\n"),
        "{answer}"
    );
    assert!(answer.contains("\nConnection: close\n"), "{answer}");
    // A place that is given back is taken again.
    drop(open.pop());
    let served = (0..2_000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        exchange(address, reqmod("Allow: 204\r\n", GET)).starts_with("ICAP/1.0 204 ")
    });
    assert!(served);
}

#[tokio::test]
async fn overload_is_never_an_empty_answer_of_categorize() {
    let mut config = config();
    config.connections_max = NonZeroUsize::new(1).unwrap();
    config.overload = Overload::Pass;
    let server = start(config, content()).await.unwrap();
    let address = server.addresses()[0];
    let mut open = Client::connect(address);
    open.send(reqmod("Allow: 204\r\n", GET));
    open.head();
    let answer = exchange(address, reqmod("Allow: 204\r\n", GET));
    assert!(answer.starts_with("ICAP/1.0 503 "), "{answer}");
}

#[tokio::test]
async fn an_overloaded_filter_may_let_requests_pass_if_204_can_be_said() {
    let mut config = config();
    config.connections_max = NonZeroUsize::new(1).unwrap();
    config.overload = Overload::Pass;
    let server = start(config, with_policy(POLICY)).await.unwrap();
    let address = server.addresses()[0];
    let mut open = Client::connect(address);
    open.send(reqmod_of("/filter", "Allow: 204\r\n", GET));
    open.head();
    for (fields, status) in [("Allow: 204\r\n", 204), ("Preview: 0\r\n", 204), ("", 503)] {
        let answer = exchange(address, reqmod_of("/filter", fields, GET));
        assert!(
            answer.starts_with(&format!("ICAP/1.0 {status} ")),
            "{answer}"
        );
        assert!(answer.contains("\nConnection: close\n"), "{answer}");
    }
}

#[tokio::test]
async fn idle_connections_keep_nobody_out() {
    const IDLE: usize = 400;
    let mut config = config();
    config.connections_max = NonZeroUsize::new(IDLE + 1).unwrap();
    let server = start(config, content()).await.unwrap();
    let address = server.addresses()[0];
    let mut idle: Vec<Client> = (0..IDLE).map(|_| Client::connect(address)).collect();
    for client in &mut idle {
        client.send(reqmod("Allow: 204\r\n", GET));
        assert!(client.head().starts_with("ICAP/1.0 204 "));
    }
    let answer = exchange(address, reqmod("Allow: 204\r\n", GET));
    assert!(answer.starts_with("ICAP/1.0 204 "), "{answer}");
    assert_eq!(server.stop().await, 0);
}

#[tokio::test]
async fn admin_tells_what_happened() {
    let server = started().await;
    exchange(server.addresses()[0], reqmod("Allow: 204\r\n", GET));
    let metrics = get(&server, "/metrics").await;
    let line = "weir_icap_server_requests_total{service=\"categorize\",method=\"REQMOD\",status=\"204\"} 1\n";
    assert!(metrics.contains(line), "{metrics}");
    assert!(get(&server, "/ready").await.ends_with("\r\n\r\nready\n"));
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error() {
    let server = started().await;
    let mut config = config();
    config.listen = server.addresses().into_iter().map(Listen::at).collect();
    let error = start(config, content()).await.unwrap_err();
    let expected = format!("cannot listen on {}", server.addresses()[0]);
    assert_eq!(error.to_string(), expected);
}

pub async fn get(server: &icap_server::Running, path: &str) -> String {
    let address = server.admin().unwrap();
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    answer
}
