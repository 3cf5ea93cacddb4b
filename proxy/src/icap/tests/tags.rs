//! ISTags: what flushes caches, and when.

use std::sync::Mutex;

use super::*;

/// A peer whose tag can be changed.
async fn tagged(tag: &Arc<Mutex<&'static str>>) -> Peer {
    let tag = Arc::clone(tag);
    Peer::start_at("127.0.0.1:0".parse().unwrap(), move |seen| {
        let tag = *tag.lock().unwrap();
        let text = match seen.method {
            icap::Method::Options => OFFER.to_owned(),
            icap::Method::Reqmod | icap::Method::Respmod => found("x"),
        };
        Act::Say(text.replace("\"one\"", tag))
    })
    .await
}

#[tokio::test]
async fn a_changed_tag_counts_before_its_answer_is_delivered() {
    let tag = Arc::new(Mutex::new("\"one\""));
    let peer = tagged(&tag).await;
    let client = Client::of(&peer);
    for (next, expected) in [
        ("\"one\"", 0),
        ("one", 0),
        ("\"two\"", 1),
        ("\"two\"", 1),
        ("\"three\"", 2),
        ("\"one\"", 3),
    ] {
        *tag.lock().unwrap() = next;
        let answer = client.ask("http://a.example/").await.unwrap();
        assert_eq!(client.generation(), expected, "{next}");
        assert_eq!(answer.lifetime, None);
    }
    assert_eq!(client.metrics.flushes.get(), 3);
}

#[tokio::test]
async fn a_tag_is_kept_per_endpoint() {
    let (one, two) = (Arc::new(Mutex::new("one")), Arc::new(Mutex::new("two")));
    let (first, second) = (tagged(&one).await, tagged(&two).await);
    let client = Client::start(&config(&[service(&first), service(&second)]));
    assert!(client.ask("http://a.example/").await.is_ok());
    drop(first);
    for _ in 0..10 {
        assert!(client.ask("http://a.example/").await.is_ok());
    }
    assert!(!second.questions().is_empty());
    assert_eq!(client.generation(), 0);
}

#[tokio::test]
async fn answers_of_an_endpoint_that_alternates_are_not_kept() {
    let peer = Peer::start(|seen| {
        let tag = ["\"one\"", "\"two\""][seen.question % 2];
        Act::Say(found("x").replace("\"one\"", tag))
    })
    .await;
    let client = Client::of(&peer);
    for _ in 0..20 {
        assert!(client.ask("http://a.example/").await.is_ok());
    }
    let generation = client.generation();
    assert!(generation < 10, "{generation}");
    for _ in 0..5 {
        let answer = client.ask("http://a.example/").await.unwrap();
        assert_eq!(answer.lifetime, Some(Duration::ZERO));
    }
    assert_eq!(client.generation(), generation, "others keep their cache");
}

#[tokio::test]
async fn options_flush_too() {
    let tag = Arc::new(Mutex::new("\"one\""));
    let peer = tagged(&tag).await;
    let address = peer.address;
    let client = Client::of(&peer);
    assert!(client.ask("http://a.example/").await.is_ok());
    drop(peer);
    while client.ask("http://a.example/").await.err() != Some(AskError::BreakerOpen) {}
    let _peer = Peer::start_at(address, |_| Act::Say(OFFER.replace("one", "two"))).await;
    let started = Instant::now();
    while client.generation() == 0 {
        assert!(started.elapsed() < PATIENCE);
        sleep(Duration::from_millis(10)).await;
    }
}
