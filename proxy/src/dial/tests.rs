use std::sync::Arc;

use super::*;
use crate::fixture::{self, config, content, intercepted, origin, tunnelled};

#[tokio::test]
async fn names_of_the_configuration_come_before_dns() {
    let (listener, address) = origin().await;
    let mut content = content("discard", "block");
    content.static_hosts = Arc::new([("news.example".to_owned(), address)].into());
    let worker = fixture::worker(config(), content);
    let origin = Origin::Name("news.example".to_owned(), 80);
    let dialled = worker.dial(&intercepted(address), &origin).await.unwrap();
    assert_eq!(dialled.peer_addr().unwrap(), address);
    listener.accept().await.unwrap();
}

#[tokio::test]
async fn the_hosts_file_is_asked_and_every_address_is_tried() {
    // Where the name stands for both families, only one of them answers.
    let (_listener, address) = origin().await;
    let worker = fixture::worker(config(), content("discard", "block"));
    let origin = Origin::Name("localhost".to_owned(), address.port());
    let dialled = worker.dial(&intercepted(address), &origin).await.unwrap();
    assert_eq!(dialled.peer_addr().unwrap().port(), address.port());
}

#[tokio::test]
async fn a_name_that_leads_where_the_proxy_does_not_go_is_forbidden() {
    let (_listener, address) = origin().await;
    let worker = fixture::worker(config(), content("discard", "block"));
    let mut far = intercepted(address);
    far.client = "192.0.2.7:1".parse().unwrap();
    let origin = Origin::Name("localhost".to_owned(), address.port());
    let error = worker.dial(&far, &origin).await.unwrap_err();
    assert!(matches!(error, DialError::Forbidden(_)), "{error}");
    let counted = "weir_origin_failures_total{reason=\"forbidden\"} 1";
    assert!(worker.shared.metrics.encode().contains(counted));
}

#[tokio::test]
async fn what_the_configuration_names_is_forbidden_to_everyone() {
    let (_listener, address) = origin().await;
    let (_listener, other) = origin().await;
    let mut config = config();
    config.forbidden = vec!["127.0.0.1/32".parse().unwrap()];
    let ranges = fixture::worker(config, content("discard", "block"));
    let mut beside = content("discard", "block");
    beside.beside = Arc::new([address]);
    let beside = fixture::worker(fixture::config(), beside);
    for (worker, destination, reached) in [
        (&ranges, address, false),
        (&beside, address, false),
        (&beside, other, true),
    ] {
        let origin = Origin::Address(destination);
        let connection = intercepted(destination);
        let dialled = worker.dial(&connection, &origin).await;
        assert_eq!(dialled.is_ok(), reached, "{dialled:?}");
        let foreseen = worker.refuse_forbidden(&connection, &origin);
        assert_eq!(foreseen.is_ok(), reached);
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_told() {
    let (listener, address) = origin().await;
    drop(listener);
    let worker = fixture::worker(config(), content("discard", "block"));
    let error = worker
        .dial(&intercepted(address), &Origin::Address(address))
        .await;
    assert!(matches!(error, Err(DialError::Io(_))));
}

#[test]
fn tunnels_lead_to_their_authority_and_intercepted_connections_where_they_went() {
    let destination: SocketAddr = "198.51.100.1:443".parse().unwrap();
    let cases = [
        (intercepted(destination), "198.51.100.1:443"),
        (tunnelled("news.example"), "news.example:443"),
        (tunnelled("news.example:8443"), "news.example:8443"),
        (tunnelled("192.0.2.1"), "192.0.2.1:443"),
        (tunnelled("[2001:db8::1]:8443"), "[2001:db8::1]:8443"),
    ];
    for (connection, expected) in cases {
        assert_eq!(Origin::of(&connection).unwrap().to_string(), expected);
    }
}
