//! The policy server by Gx, with programs of others: python-diameter as policy server, reached
//! directly and through freeDiameter as relay; tshark reads what was said.

use std::future::ready;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use diameter::Identity;
use diameter::client::ClientSettings;
use diameter::name::{GX_CAPABILITY_LIST, SN_CF_POLICY_ID};
use diameter::peer::BackOff;
use feeds::gx::{Config, Metrics, PeerAddress};
use gx::{Capability, Release, Settings, Updates};
use service::Drain;
use sessions::{
    Fallback, Pending, PolicyServer as _, ProfileFacts, Reselect, SessionEvent, SessionKey,
    Subscriber,
};
use tests::peers::{self, diameter as peer};

const KEY: SessionKey = SessionKey(1);

/// How long a fact may take, peers that find each other included.
const FACT_WAIT: Duration = Duration::from_secs(40);

#[test]
fn python_diameter_opens_changes_and_closes_a_session() {
    if tests::tier_missing("real peers", peer::pcrf_missing()) {
        return;
    }
    let address = peers::free_address();
    let pcrf = peer::pcrf(address, "weir");
    let told = live(address, &pcrf, || {});
    check(&told, &pcrf);
}

#[test]
fn free_diameter_passes_a_session_on_and_tshark_reads_it() {
    let missing = peer::pcrf_missing().or_else(peer::relay_missing);
    if tests::tier_missing("real peers", missing) {
        return;
    }
    let [pcrf, relay] = ["10.99.0.11", "10.99.0.12"];
    peer::Island::new(&[pcrf, relay]).within(|| {
        let at = |ip: &str| SocketAddr::new(ip.parse().unwrap(), peer::PORT);
        let mut capture = peer::Capture::start();
        let server = peer::pcrf(at(pcrf), "dra");
        let _relay = peer::relay(at(relay), at(pcrf));
        // The relay asks after six seconds or so whether we are there.
        let answered = "diameter.cmd.code == 280 && diameter.flags.request == 0 \
                        && tcp.srcport != 3868 && ip.dst == 10.99.0.12";
        let told = live(at(relay), &server, || {
            tests::wait_for("a watchdog", || {
                capture.lines(answered, &["frame.number"]).pop()
            });
        });
        check(&told, &server);
        let ours = "diameter && tcp.srcport != 3868 && ip.src == 10.99.0.12 \
                    && ip.dst == 10.99.0.12";
        for message in [
            "cmd.code == 257",
            "CC-Request-Type == 1",
            "CC-Request-Type == 2",
            "CC-Request-Type == 3",
            "cmd.code == 258 && diameter.Result-Code == 2001",
            "cmd.code == 282",
        ] {
            let sent = format!("{ours} && diameter.{message}");
            tests::wait_for(message, || capture.lines(&sent, &["frame.number"]).pop());
        }
        capture.stop();
        let errors = format!("({ours}) && (_ws.malformed || _ws.expert.severity == error)");
        let found = capture.lines(&errors, &["frame.number", "_ws.expert.message"]);
        assert_eq!(found, [""; 0]);
    });
}

/// Lets a session live with the policy server that this peer leads to, and returns the facts
/// about it.
fn live(
    peer: SocketAddr,
    pcrf: &peers::Peer,
    while_open: impl FnOnce() + Send,
) -> Vec<ProfileFacts> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (sender, facts) = channel();
    let drain = Drain::default();
    let directory = Arc::new(Told(Mutex::new(sender)));
    let feed = runtime
        .block_on(async { feeds::gx::start(config(peer), directory, Metrics::default(), &drain) });
    std::thread::scope(|scope| {
        let (done, is_done) = tokio::sync::oneshot::channel::<()>();
        let session = scope.spawn(move || {
            feed.tell(SessionEvent::Opened(KEY, subscriber())).unwrap();
            let mut told = vec![said(&facts), said(&facts)];
            while_open();
            feed.tell(SessionEvent::Changed(KEY, subscriber())).unwrap();
            told.push(said(&facts));
            feed.tell(SessionEvent::Closed(KEY)).unwrap();
            tests::wait_for("the end of the session", || {
                pcrf.output().contains("CCR 3").then_some(())
            });
            drop(done);
            told
        });
        runtime.block_on(async {
            let _ = is_done.await;
            drain.drain(Duration::from_secs(10)).await.unwrap();
        });
        session.join().unwrap()
    })
}

/// Returns the next fact that is an answer: before, peers may not have found each other.
fn said(facts: &Receiver<ProfileFacts>) -> ProfileFacts {
    loop {
        let fact = facts.recv_timeout(FACT_WAIT).expect("a fact in time");
        if matches!(fact, ProfileFacts::Said { .. }) {
            return fact;
        }
    }
}

#[track_caller]
fn check(told: &[ProfileFacts], pcrf: &peers::Peer) {
    let fact = |id: u32, rule: &str| ProfileFacts::Said {
        id: Some(id),
        rules: vec![rule.into()],
    };
    let expected = [(7, "acr-child"), (9, "acr-teen"), (8, "acr-teen")];
    assert_eq!(told, expected.map(|(id, rule)| fact(id, rule)));
    let said = pcrf.output();
    let who = "msisdn 491700000001 imsi 001010000000007 apn internet.weir";
    let place = "v4 0a070002 v6 004020010db800070000";
    let first = format!("CCR 1 number 0 {who} flags [1] {place} host None\n");
    assert!(said.contains(&first), "{said}");
    tests::wait_for("the answer to the RAR", || {
        pcrf.output().contains("RAA 2001\n").then_some(())
    });
    for (kind, number) in [(2, 1), (3, 2)] {
        let host = "host b'pcrf.weir.test'";
        let line = format!("CCR {kind} number {number} {who} flags [] {place} {host}\n");
        assert!(said.contains(&line), "{said}");
    }
}

struct Told(Mutex<Sender<ProfileFacts>>);

impl Reselect for Told {
    fn reselect(&self, session: SessionKey, facts: ProfileFacts) -> Pending<()> {
        assert_eq!(session, KEY);
        // Nobody looks any more when the test is over.
        let _ = self.0.lock().unwrap().send(facts);
        Box::pin(ready(()))
    }
}

fn subscriber() -> Arc<Subscriber> {
    Arc::new(Subscriber {
        msisdn: Some("491700000001".into()),
        imsi: Some("001010000000007".into()),
        apn: Some("internet.weir".into()),
        ranges: vec![
            "10.7.0.2/32".parse().unwrap(),
            "2001:db8:7::/64".parse().unwrap(),
        ],
    })
}

fn config(peer: SocketAddr) -> Config {
    Config {
        peers: vec![PeerAddress {
            host: peer.ip().to_string(),
            port: peer.port(),
            identity: None,
            tls: None,
        }],
        gx: Settings {
            own: Identity {
                host: "weir.weir.test".into(),
                realm: "weir.test".into(),
            },
            realm: "weir.test".into(),
            state: 1_795_000_000,
            first_id: 0,
            profile_avp: SN_CF_POLICY_ID,
            capability: Some(Capability {
                avp: GX_CAPABILITY_LIST,
                value: 1,
                mask: 1,
            }),
            release: Release::Eight,
            updates: Updates::Reported,
            network: 5,
            fallback: Fallback::NextSource,
            patience: Duration::from_secs(5),
            retry: Duration::from_secs(1),
            sessions_max: 100,
        },
        client: ClientSettings {
            answer: Duration::from_secs(5),
            pending_max: 16,
        },
        watchdog: Duration::from_secs(30),
        setup: Duration::from_secs(5),
        back_off: BackOff {
            first: Duration::from_millis(500),
            max: Duration::from_secs(2),
        },
        queue_max: 16,
    }
}
