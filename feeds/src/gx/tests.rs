use std::future::ready;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use diameter::client::ClientSettings;
use diameter::command::{Capabilities, DisconnectRequest, ReAuthRequest};
use diameter::name::{self, application, command_code, result};
use diameter::peer::BackOff;
use diameter::{Avp, Dictionary, Fields, Framed, Identity, Message, frame};
use gx::{Release, Settings, Updates};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use sessions::{Fallback, Pending, ProfileFacts, SessionKey, Subscriber};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;

mod bursts;
mod late;

const KEY: SessionKey = SessionKey(1);
const WAIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn facts_come_and_change() {
    let mut world = World::new(1).await;
    let mut peer = world.accept(0).await;
    world.open();
    let ccr = peer.read().await;
    peer.answer(&ccr, &[profile(7)]).await;
    assert_eq!(world.fact().await, said(7));
    let rar = rar(&ccr, 9);
    // However it is cut.
    for octet in rar.write().unwrap() {
        peer.stream.write_all(&[octet]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let raa = peer.read().await;
    assert_eq!(number(&raa, name::RESULT_CODE), result::SUCCESS);
    assert_eq!(world.fact().await, said(9));
    // The same once more changes nothing, and has the same answer.
    peer.write(&rar).await;
    assert_eq!(peer.read().await, raa);
    assert_eq!(world.metrics.again.get(), 1);
}

#[tokio::test]
async fn a_lost_peer_leaves_its_requests_to_the_next() {
    let mut world = World::new(2).await;
    let mut first = world.accept(0).await;
    let mut second = world.accept(1).await;
    world.up(2).await;
    world.open();
    let ccr = first.read().await;
    drop(first);
    let again = second.read().await;
    assert!(again.header.is_retransmitted() && !ccr.header.is_retransmitted());
    assert_eq!(again.header.end_to_end, ccr.header.end_to_end);
    assert_eq!(again.avps, ccr.avps);
    second.answer(&again, &[profile(7)]).await;
    assert_eq!(world.fact().await, said(7));
}

#[tokio::test]
async fn what_is_not_diameter_ends_the_connection_and_not_the_feed() {
    let mut world = World::new(1).await;
    let mut peer = world.accept(0).await;
    peer.stream
        .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        .await
        .unwrap();
    let mut rest = Vec::new();
    timeout(WAIT, peer.stream.read_to_end(&mut rest))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(world.metrics.bad_messages.get(), 1);
    let mut peer = world.accept(0).await;
    world.open();
    // A peer that was lost is asked first whether it is there.
    let watchdog = peer.read().await;
    assert_eq!(watchdog.header.command, command_code::DEVICE_WATCHDOG);
    let ccr = peer.read().await;
    peer.answer(&ccr, &[profile(7)]).await;
    assert_eq!(world.fact().await, said(7));
}

#[tokio::test]
async fn a_malformed_request_is_answered_and_changes_nothing() {
    let mut world = World::new(1).await;
    let mut peer = world.accept(0).await;
    world.open();
    let ccr = peer.read().await;
    peer.answer(&ccr, &[profile(7)]).await;
    assert_eq!(world.fact().await, said(7));
    let mut bytes = rar(&ccr, 9).write().unwrap().to_vec();
    let len = bytes.len();
    // The length of the last AVP, which is 16.
    bytes[len - 9] = 99;
    peer.stream.write_all(&bytes).await.unwrap();
    let answer = peer.read().await;
    assert_eq!(
        number(&answer, name::RESULT_CODE),
        result::INVALID_AVP_LENGTH
    );
    assert_eq!(world.metrics.bad_messages.get(), 1);
    peer.write(&rar(&ccr, 8)).await;
    peer.read().await;
    assert_eq!(world.fact().await, said(8), "and nothing in between");
}

#[tokio::test]
async fn without_a_policy_server_the_configuration_says() {
    let mut world = World::that_waits(Duration::from_millis(500), 1, None).await;
    world.open();
    // It is dialled, and does not answer.
    let (_silent, _) = world.listeners[0].accept().await.unwrap();
    let fallback = Fallback::Profile("strict".into());
    assert_eq!(world.fact().await, ProfileFacts::Unanswered(fallback));
}

#[tokio::test]
async fn a_full_queue_takes_nothing_and_is_counted() {
    let world = World::new(1).await;
    // The feed does not run before this test waits.
    for _ in 0..QUEUE_MAX {
        assert!(world.gx.has_room());
        world.open();
    }
    assert!(!world.gx.has_room());
    for _ in 0..EVENTS_BEYOND {
        world.open();
    }
    let event = SessionEvent::Opened(KEY, Arc::default());
    assert_eq!(world.gx.tell(event), Err(Busy));
    assert_eq!(world.metrics.refused_events.get(), 1);
}

#[tokio::test]
async fn a_session_over_the_limit_gets_what_is_configured() {
    let mut world = World::new(1).await;
    for key in 2..5 {
        let event = SessionEvent::Opened(SessionKey(key), subscriber());
        world.gx.tell(event).unwrap();
    }
    world.open();
    let (session, fact) = world.facts.recv().await.unwrap();
    assert_eq!(session, KEY);
    assert!(matches!(fact, ProfileFacts::Unanswered(_)));
    assert_eq!(world.metrics.refused_events.get(), 1);
}

#[tokio::test]
async fn a_drain_says_goodbye() {
    let world = World::new(1).await;
    let mut peer = world.accept(0).await;
    world.up(1).await;
    let drain = world.drain.clone();
    let drained = tokio::spawn(async move { drain.drain(WAIT).await });
    let goodbye = peer.read().await;
    DisconnectRequest::read(&goodbye).unwrap();
    peer.answer(&goodbye, &[]).await;
    let mut rest = Vec::new();
    timeout(WAIT, peer.stream.read_to_end(&mut rest))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(drained.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn tls_is_spoken_with_who_can_prove_the_name() {
    let names = vec!["pcrf.test".to_owned()];
    let key = rcgen::generate_simple_self_signed(names).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let private = PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
    let theirs = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private)
        .unwrap();
    for (name, is_good) in [("pcrf.test", true), ("other.test", false)] {
        let tls = Tls::new(name, &key.cert.pem(), None).unwrap();
        let mut world = World::with(1, Some(tls)).await;
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(theirs.clone()));
        let (stream, _) = world.listeners[0].accept().await.unwrap();
        let stream = acceptor.accept(stream).await;
        assert_eq!(stream.is_ok(), is_good, "{name}");
        let Ok(stream) = stream else {
            continue;
        };
        let mut peer = TestPeer::greet(stream).await;
        world.open();
        let ccr = peer.read().await;
        peer.answer(&ccr, &[profile(7)]).await;
        assert_eq!(world.fact().await, said(7));
    }
}

const QUEUE_MAX: usize = 4;

/// The feed, and where its peers listen.
struct World {
    gx: Gx,
    metrics: Metrics,
    drain: Drain,
    listeners: Vec<TcpListener>,
    facts: mpsc::UnboundedReceiver<(SessionKey, ProfileFacts)>,
}

struct Told(mpsc::UnboundedSender<(SessionKey, ProfileFacts)>);

impl Reselect for Told {
    fn reselect(&self, session: SessionKey, facts: ProfileFacts) -> Pending<()> {
        let _ = self.0.send((session, facts));
        Box::pin(ready(()))
    }
}

impl World {
    async fn new(peers: usize) -> Self {
        Self::with(peers, None).await
    }

    async fn with(peers: usize, tls: Option<Tls>) -> Self {
        Self::that_waits(WAIT, peers, tls).await
    }

    /// Waits so long for the first answer about a session.
    async fn that_waits(patience: Duration, peers: usize, tls: Option<Tls>) -> Self {
        let mut listeners = Vec::new();
        for _ in 0..peers {
            listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let addresses = listeners.iter().map(|it| it.local_addr().unwrap());
        let mut config = config(addresses, tls.as_ref());
        config.gx.patience = patience;
        let (sender, facts) = mpsc::unbounded_channel();
        let metrics = Metrics::default();
        let drain = Drain::default();
        let gx = start(config, Arc::new(Told(sender)), metrics.clone(), &drain);
        Self {
            gx,
            metrics,
            drain,
            listeners,
            facts,
        }
    }

    async fn accept(&self, peer: usize) -> TestPeer<TcpStream> {
        let accepted = timeout(WAIT, self.listeners[peer].accept()).await;
        TestPeer::greet(accepted.unwrap().unwrap().0).await
    }

    /// Waits until requests may go to so many peers.
    async fn up(&self, peers: i64) {
        while self.metrics.peers_up.get() < peers {
            tokio::task::yield_now().await;
        }
    }

    fn open(&self) {
        let event = SessionEvent::Opened(KEY, subscriber());
        self.gx.tell(event).unwrap();
    }

    async fn fact(&mut self) -> ProfileFacts {
        let fact = timeout(WAIT, self.facts.recv()).await.unwrap().unwrap();
        assert_eq!(fact.0, KEY);
        fact.1
    }
}

/// The other end of a connection.
struct TestPeer<S> {
    stream: S,
    received: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TestPeer<S> {
    /// Answers the CER.
    async fn greet(stream: S) -> Self {
        let mut peer = Self {
            stream,
            received: BytesMut::new(),
        };
        let cer = peer.read().await;
        let own = Capabilities::read_request(&cer).unwrap();
        assert_eq!(&*own.product, "weir");
        let own = Capabilities {
            identity: pcrf(),
            ..own
        };
        peer.write(&own.answer(&cer, result::SUCCESS)).await;
        peer
    }

    async fn read(&mut self) -> Message {
        loop {
            if let Framed::Message(len) = frame(&self.received) {
                let bytes: Bytes = self.received.split_to(len).freeze();
                return Message::read(&bytes, &Dictionary::default()).unwrap();
            }
            let read = timeout(WAIT, self.stream.read_buf(&mut self.received)).await;
            assert_ne!(read.unwrap().unwrap(), 0, "the connection ended");
        }
    }

    async fn write(&mut self, message: &Message) {
        let bytes = message.write().unwrap();
        self.stream.write_all(&bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    async fn answer(&mut self, request: &Message, avps: &[Avp]) {
        let mut answer = request.answer(result::SUCCESS, &pcrf());
        answer.avps.extend(avps.iter().cloned());
        self.write(&answer).await;
    }
}

fn rar(ccr: &Message, id: u32) -> Message {
    let session = ccr.avps.required(name::SESSION_ID).unwrap();
    let request = ReAuthRequest {
        session: session.text().unwrap().into(),
        application: application::GX,
        origin: pcrf(),
        destination: own(),
        kind: 0,
        avps: vec![profile(id)],
    };
    let mut message = request.message();
    message.header.end_to_end = id;
    message
}

fn profile(id: u32) -> Avp {
    Avp::optional(name::SN_CF_POLICY_ID, id)
}

fn said(id: u32) -> ProfileFacts {
    ProfileFacts::Said {
        id: Some(id),
        rules: Vec::new(),
    }
}

fn number(message: &Message, name: diameter::AvpName) -> u32 {
    message.avps.required(name).unwrap().number().unwrap()
}

fn subscriber() -> Arc<Subscriber> {
    Arc::new(Subscriber {
        msisdn: Some("491700000001".into()),
        ..Subscriber::default()
    })
}

fn own() -> Identity {
    Identity {
        host: "weir.test".into(),
        realm: "test".into(),
    }
}

fn pcrf() -> Identity {
    Identity {
        host: "pcrf.test".into(),
        realm: "test".into(),
    }
}

fn config(peers: impl Iterator<Item = SocketAddr>, tls: Option<&Tls>) -> Config {
    let peer = |address: SocketAddr| PeerAddress {
        host: address.ip().to_string(),
        port: address.port(),
        identity: Some("pcrf.test".into()),
        tls: tls.cloned(),
    };
    Config {
        peers: peers.map(peer).collect(),
        gx: Settings {
            own: own(),
            realm: "test".into(),
            state: 77,
            first_id: 0,
            profile_avp: name::SN_CF_POLICY_ID,
            capability: None,
            release: Release::Eight,
            updates: Updates::Reported,
            network: 5,
            fallback: Fallback::Profile("strict".into()),
            patience: WAIT,
            retry: Duration::from_secs(1),
            sessions_max: 3,
        },
        client: ClientSettings {
            answer: WAIT,
            pending_max: 16,
        },
        watchdog: Duration::from_secs(30),
        setup: WAIT,
        back_off: BackOff {
            first: Duration::from_millis(100),
            max: Duration::from_secs(1),
        },
        queue_max: QUEUE_MAX,
    }
}
