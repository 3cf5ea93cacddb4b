mod faults;
mod flights;
mod misbehave;
mod peer;
mod tags;
mod tiers;
mod verdicts;
mod ways;

use std::path::Path;
use std::sync::atomic::Ordering;

use self::peer::{Act, OFFER, Peer, Seen};
use super::*;
use crate::config::{Endpoint as Way, IcapService, IcapTier, PrefixUnit, SendSubscriber};

/// The deadline where it is what ends a question.
const DEADLINE: Duration = Duration::from_millis(150);

/// The deadline where an answer is to come, and the longest wait for anything: no machine is so busy
/// that it matters.
const PATIENCE: Duration = Duration::from_secs(20);

/// How much later than its deadline a question may end.
const LATE_MAX: Duration = Duration::from_millis(100);

/// A client with what it counts in.
struct Client {
    icap: IcapClient,
    generation: Arc<AtomicU64>,
    metrics: IcapMetrics,
    drain: Drain,
}

impl Client {
    fn start(config: &Icap) -> Self {
        Self::start_with(config, None)
    }

    fn start_with(config: &Icap, tls: Option<Tls>) -> Self {
        let generation = Arc::new(AtomicU64::new(0));
        let metrics = IcapMetrics::default();
        let drain = Drain::default();
        let icap = IcapClient::start_with(config, &generation, &metrics, &drain, tls);
        Self {
            icap,
            generation,
            metrics,
            drain,
        }
    }

    /// A client of one peer, with all the time in the world.
    fn of(peer: &Peer) -> Self {
        Self::start(&config(&[service(peer)]))
    }

    /// A client of one peer that has no more than [`DEADLINE`].
    fn in_haste(peer: &Peer) -> Self {
        Self::start(&within(DEADLINE, vec![service(peer).into()]))
    }

    /// Asks within the deadline that is configured.
    fn ask(&self, uri: &str) -> impl Future<Output = Result<Answer, AskError>> + Send + use<> {
        self.ask_within(self.icap.deadline, uri)
    }

    /// Asks within this time.
    fn ask_within(
        &self,
        time: Duration,
        uri: &str,
    ) -> impl Future<Output = Result<Answer, AskError>> + Send + use<> {
        let icap = self.icap.clone();
        let uri = NormalUri::parse(uri.as_bytes()).unwrap();
        async move {
            let deadline = Instant::now() + time;
            icap.ask(uri, AskFacts::default(), deadline).await
        }
    }

    /// Asks for the categories of a URI, within the deadline that is configured.
    async fn categories(&self, uri: &str) -> Result<Vec<String>, AskError> {
        self.categories_within(self.icap.deadline, uri).await
    }

    /// Asks for the categories of a URI within this time.
    async fn categories_within(&self, time: Duration, uri: &str) -> Result<Vec<String>, AskError> {
        let answer = self.ask_within(time, uri).await?;
        Ok(answer.categories.iter().map(ToString::to_string).collect())
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

fn config(services: &[IcapService]) -> Icap {
    Icap {
        services: services.iter().cloned().map(IcapTier::from).collect(),
        ca_file: None,
        client: None,
        deadline: PATIENCE,
        honor_cache_control: true,
        honour_http_response: false,
        prefix_unit: PrefixUnit::Uri,
        send_subscriber: SendSubscriber::Never,
    }
}

/// What is configured where the deadline of a decision counts.
fn within(deadline: Duration, services: Vec<IcapTier>) -> Icap {
    Icap {
        services,
        deadline,
        ..config(&[])
    }
}

fn service(peer: &Peer) -> IcapService {
    IcapService {
        uri: format!("icap://{}/categorize", peer.address),
        endpoint: Way::Tcp {
            host: peer.address.ip().to_string(),
            port: peer.address.port(),
        },
        weight: 1,
    }
}

/// 204 with these categories, under the tag of [`OFFER`].
fn found(categories: &str) -> String {
    format!("ICAP/1.0 204 No Content\r\nISTag: \"one\"\r\nX-Attribute: {categories}\r\n\r\n")
}

/// Answers with the path asked about as category, so that a mix-up shows.
fn echo(seen: &Seen) -> Act {
    let path = seen.uri.rsplit('/').next().unwrap();
    Act::Say(found(path))
}

#[tokio::test]
async fn a_question_carries_what_is_needed_and_no_more() {
    let peer = Peer::start(|_| Act::Say(found("Sport, news"))).await;
    let client = Client::of(&peer);
    let facts = AskFacts {
        client: Some("::ffff:10.0.0.7".parse().unwrap()),
        server: Some("192.0.2.1".parse().unwrap()),
        subscriber: Some("111220000001".into()),
    };
    let uri = NormalUri::parse(b"http://a.example:8080/x?y").unwrap();
    let answer = client
        .icap
        .ask(uri, facts, client.icap.deadline())
        .await
        .unwrap();
    assert_eq!(
        answer
            .categories
            .iter()
            .map(AsRef::as_ref)
            .collect::<Vec<_>>(),
        ["sport", "news"]
    );
    let address = peer.address;
    let expected = format!(
        "REQMOD icap://{address}/categorize ICAP/1.0\r\nHost: {address}\r\nAllow: 204\r\n\
         Preview: 0\r\nX-Client-IP: 10.0.0.7\r\nX-Server-IP: 192.0.2.1\r\n\
         Encapsulated: req-hdr=0, null-body=64\r\n\r\n\
         GET http://a.example:8080/x?y HTTP/1.1\r\nHost: a.example:8080\r\n\r\n"
    );
    assert_eq!(peer.questions()[0].text, expected);
}

#[tokio::test]
async fn the_subscriber_is_named_to_those_who_ask_for_it() {
    for (include, is_named) in [
        ("X-Client-IP", false),
        ("X-Client-IP, x-subscriber-id", true),
    ] {
        let offer = OFFER.replace("Preview: 0", &format!("X-Include: {include}"));
        let peer = Peer::start_at("127.0.0.1:0".parse().unwrap(), move |seen| {
            match seen.method {
                icap::Method::Options => Act::Say(offer.clone()),
                icap::Method::Reqmod | icap::Method::Respmod => echo(seen),
            }
        })
        .await;
        let client = Client::of(&peer);
        let facts = AskFacts {
            subscriber: Some("111220000001".into()),
            ..AskFacts::default()
        };
        let uri = NormalUri::parse(b"http://a.example/x").unwrap();
        client
            .icap
            .ask(uri, facts, client.icap.deadline())
            .await
            .unwrap();
        let text = &peer.questions()[0].text;
        assert_eq!(
            text.contains("X-Subscriber-ID: 111220000001\r\n"),
            is_named,
            "{include}"
        );
        assert!(!text.contains("Preview"));
    }
}

#[tokio::test]
async fn one_connection_serves_one_question_after_the_other() {
    let peer = Peer::start(echo).await;
    let client = Client::of(&peer);
    for number in 0..50 {
        let name = number.to_string();
        let uri = format!("http://a.example/{name}");
        assert_eq!(client.categories(&uri).await, Ok(vec![name]));
    }
    assert_eq!(peer.connections(), 1);
    assert_eq!(client.metrics.connections.get(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_questions_at_once_get_their_own_answers() {
    let peer = Peer::start(echo).await;
    let client = Client::of(&peer);
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..500 {
        let answer = client.ask(&format!("http://a.example/{number}"));
        asking.spawn(async move {
            let answer = answer.await.unwrap();
            assert_eq!(answer.categories[0].as_ref(), number.to_string());
        });
    }
    asking.join_all().await;
    assert!(
        peer.open_max() <= pool::CONNECTIONS_MAX,
        "{}",
        peer.open_max()
    );
}

#[tokio::test]
async fn max_connections_are_honoured() {
    let offer = OFFER.replace("Preview: 0", "Max-Connections: 2");
    let peer = Peer::start_at("127.0.0.1:0".parse().unwrap(), move |seen| {
        match seen.method {
            icap::Method::Options => Act::Say(offer.clone()),
            icap::Method::Reqmod | icap::Method::Respmod => {
                Act::SayInParts("ICAP/1.0 204 x\r\n".to_owned(), "\r\n".to_owned())
            }
        }
    })
    .await;
    let client = Client::of(&peer);
    let uris = (0..10).map(|number| format!("http://a.example/{number}"));
    let asking: Vec<_> = uris.map(|uri| client.ask(&uri)).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for ask in asking {
        tasks.spawn(ask);
    }
    assert!(tasks.join_all().await.iter().all(Result::is_ok));
    assert_eq!(peer.open_max(), 2);
}

#[tokio::test]
async fn a_worker_asks_from_its_own_thread_and_runtime() {
    let peer = Peer::start(echo).await;
    let client = Client::of(&peer);
    let ask = client.ask("http://a.example/there");
    let worker = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_time().build().unwrap();
        runtime.block_on(ask)
    });
    let answer = tokio::task::spawn_blocking(move || worker.join().unwrap())
        .await
        .unwrap();
    assert_eq!(answer.unwrap().categories[0].as_ref(), "there");
}

#[tokio::test]
async fn questions_are_answered_while_connections_drain() {
    let peer = Peer::start(echo).await;
    let client = Client::of(&peer);
    assert!(client.ask("http://a.example/").await.is_ok());
    let answer = client.ask("http://a.example/late");
    let seen = client.drain.clone();
    let (tell, told) = oneshot::channel();
    client.drain.spawn(async move {
        seen.requested().await;
        sleep(Duration::from_millis(50)).await;
        let _ = tell.send(answer.await);
    });
    assert_eq!(client.drain.drain(PATIENCE).await, Ok(()));
    assert!(told.await.unwrap().is_ok());
    assert_eq!(
        client.ask("http://a.example/").await.unwrap_err(),
        AskError::Connect
    );
}

#[tokio::test]
async fn recorded_answers_of_c_icap_are_understood() {
    for (name, expected) in [
        (
            "cic-reqmod-get-urlcheck-match-url-1-02-reqmod.rsp",
            &["sport", "all"][..],
        ),
        ("cic-reqmod-get-urlcheck-block-1-02-reqmod.rsp", &["adult"]),
        (
            "cic-reqmod-get-urlcheck-no204-nopreview-1-02-reqmod.rsp",
            &["all"],
        ),
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/icap");
        let answer = std::fs::read_to_string(folder.join(name)).unwrap();
        let peer = Peer::start(move |_| Act::Say(answer.clone())).await;
        let client = Client::of(&peer);
        for _ in 0..3 {
            let found = client.categories("http://a.example/").await.unwrap();
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(peer.connections(), 1, "{name} is read past");
    }
}
