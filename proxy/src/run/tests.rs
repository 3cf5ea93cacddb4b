use std::num::NonZeroUsize;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::config::{Mode, Ports};
use crate::fixture::{config, content, listen};

#[tokio::test]
async fn it_starts_tells_where_it_is_and_stops() {
    let running = start(with_admin(), content("discard", "block"))
        .await
        .unwrap();
    assert_eq!(running.addresses().len(), 1);
    assert!(
        running
            .addresses()
            .iter()
            .all(|address| address.port() != 0)
    );
    let metrics = get(running.admin().unwrap(), "/metrics").await;
    assert!(metrics.starts_with("HTTP/1.1 200 "), "{metrics}");
    assert!(metrics.contains("weir_connections_active 0"));
    let ready = get(running.admin().unwrap(), "/ready").await;
    assert!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
    assert_eq!(running.stop().await, 0);
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let first = start(config(), content("discard", "block")).await.unwrap();
    let mut second = config();
    second.listen[0].address = first.addresses()[0];
    let error = start(second, content("discard", "block"))
        .await
        .unwrap_err();
    let expected = format!("cannot listen on {}", first.addresses()[0]);
    assert_eq!(error.to_string(), expected);
    assert_eq!(first.stop().await, 0);
}

#[tokio::test]
async fn an_intercepting_listener_that_is_dialled_itself_refuses() {
    let mut config = with_admin();
    config.listen.push(listen(Mode::Redirect));
    let running = start(config, content("discard", "block")).await.unwrap();
    let address = running.addresses()[1];
    let mut client = TcpStream::connect(address).await.unwrap();
    assert_eq!(client.read(&mut [0]).await.unwrap_or(0), 0);
    let metrics = get(running.admin().unwrap(), "/metrics").await;
    assert!(
        metrics.contains("weir_connections_refused_total"),
        "{metrics}"
    );
    assert_eq!(running.stop().await, 0);
}

#[tokio::test]
async fn a_client_that_is_not_listed_is_closed_at_once() {
    let mut closed = config();
    closed.listen[0].clients = vec!["192.0.2.0/24".parse().unwrap()];
    let mut open = closed.clone();
    open.listen[0].clients = vec!["127.0.0.1/32".parse().unwrap()];
    let running = start(closed, content("discard", "block")).await.unwrap();
    let mut client = TcpStream::connect(running.addresses()[0]).await.unwrap();
    assert_eq!(client.read(&mut [0]).await.unwrap_or(0), 0);
    let refused = || {
        running
            .shared
            .metrics
            .encode()
            .contains("client_not_listed")
    };
    assert!(refused());
    // Who may come in changes with a reload.
    assert_eq!(running.reload(open, content("discard", "block")), [""; 0]);
    assert_eq!(running.stop().await, 0);
}

#[tokio::test]
async fn a_reload_names_what_needs_a_restart_and_takes_the_rest() {
    let running = start(config(), content("discard", "block")).await.unwrap();
    let mut changed = config();
    changed.admin = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    changed.workers = NonZeroUsize::new(9).unwrap();
    changed.cache.entries_max = None;
    changed.listen.push(listen(Mode::Explicit));
    changed.ports = Ports {
        http: vec![8000],
        tls: Vec::new(),
    };
    let fixed = running.reload(changed, content("reset", "pass"));
    assert_eq!(
        fixed,
        [
            "proxy.admin",
            "proxy.workers",
            "proxy.cache",
            "proxy.listen"
        ]
    );
    let live = running.shared.live.load_full();
    assert_eq!(live.generation, 1);
    assert_eq!(live.config.ports.http, [8000]);
    assert_eq!(live.config.workers, NonZeroUsize::MIN);
    assert_eq!(live.config.listen.len(), 1);
    assert_eq!(
        running.reload(config(), content("discard", "block")),
        [""; 0]
    );
    assert_eq!(running.shared.live.load().generation, 2);
    assert_eq!(running.stop().await, 0);
}

fn with_admin() -> Config {
    Config {
        forbidden: Vec::new(),
        admin: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        ..config()
    }
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
