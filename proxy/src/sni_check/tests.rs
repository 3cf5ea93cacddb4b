use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use filter::{Protocol, Source, Target, Undecidable};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use policy::Action;
use tokio::net::UdpSocket;
use tokio::task::LocalSet;

use super::*;
use crate::access_log::Exchange;
use crate::config::AccessLog;
use crate::fixture;
use crate::judge::Judged;
use crate::state::{Content, Live};

/// Passes what is listed and what is not, under two names for each.
const POLICY: &str = "
lists: {good: [good.example, fixed.example, 198.51.100.7], bad: [bad.example]}
profiles:
  test:
    pass_list: [good]
    block_list: [bad]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
    sni_check: $mode
default_profile: test
";

/// Where `good.example` leads to.
const GOOD: &str = "198.51.100.1";
/// Where it does not.
const EVIL: &str = "203.0.113.1";

const PASSES: Result<Option<Binding>, Undecidable> = Ok(None);

#[tokio::test]
async fn names_that_need_no_dns_are_compared_at_once() {
    let matches = Ok(Some(Binding::Match));
    let mismatches = Ok(Some(Binding::Mismatch));
    let refused = Err(Undecidable::DestinationMismatch);
    for (host, dialled, in_log, in_require) in [
        ("fixed.example", "198.51.100.9", matches, matches),
        ("fixed.example", "::ffff:198.51.100.9", matches, matches),
        ("fixed.example", "64:ff9b::198.51.100.9", matches, matches),
        ("fixed.example", EVIL, mismatches, refused),
        ("198.51.100.7", "198.51.100.7", matches, matches),
        ("198.51.100.7", EVIL, mismatches, refused),
        ("unlisted.example", EVIL, PASSES, PASSES),
    ] {
        for (mode, expected) in [("off", PASSES), ("log", in_log), ("require", in_require)] {
            let worker = worker(mode, None);
            assert_eq!(
                judge(&worker, host, dialled).await,
                expected,
                "{host} {mode}"
            );
        }
    }
}

#[tokio::test]
async fn a_system_without_resolvers_finds_no_address() {
    for (mode, expected) in [
        ("off", PASSES),
        ("log", Ok(Some(Binding::Unresolved))),
        ("require", Err(Undecidable::DestinationUnresolved)),
    ] {
        let worker = worker(mode, None);
        assert_eq!(judge(&worker, "good.example", GOOD).await, expected);
        let failed = counted(&worker, mode, "failed");
        assert_eq!(failed, usize::from(mode != "off"));
    }
}

#[tokio::test]
async fn dns_is_asked_about_passes_by_name_alone() {
    inside(async |dns| {
        let worker = worker("require", Some(dns.address));
        let good = judge(&worker, "good.example", GOOD).await;
        assert_eq!(good, Ok(Some(Binding::Match)));
        let evil = judge(&worker, "good.example", EVIL).await;
        assert_eq!(evil, Err(Undecidable::DestinationMismatch));
        assert_eq!(dns.asked.get(), 1, "the answer is remembered");
        let absent = judge(&worker, "www.good.example", GOOD).await;
        assert_eq!(absent, Err(Undecidable::DestinationUnresolved));
        assert_eq!(dns.asked.get(), 2);
        assert_eq!(judge(&worker, "unlisted.example", EVIL).await, PASSES);
        let judged = decide(&worker, &connection(EVIL), "bad.example").await;
        assert_eq!(judged.decision.source, Source::BlockList);
        assert_eq!(dns.asked.get(), 2, "nobody asks for these");
        for (outcome, count) in [("match", 1), ("mismatch", 1), ("no_address", 1)] {
            assert_eq!(counted(&worker, "require", outcome), count, "{outcome}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_name_that_matched_is_not_asked_for_again_on_its_connection() {
    inside(async |dns| {
        dns.lifetime_s.set(0);
        let worker = worker("require", Some(dns.address));
        let connection = connection(GOOD);
        for _ in 0..3 {
            let judged = decide(&worker, &connection, "good.example").await;
            assert_eq!(judged.binding(), Some(Binding::Match));
        }
        assert_eq!(dns.asked.get(), 1);
        assert_eq!(
            judge(&worker, "good.example", GOOD).await,
            Ok(Some(Binding::Match))
        );
        assert_eq!(dns.asked.get(), 2, "another connection");
    })
    .await;
}

#[tokio::test]
async fn in_log_mode_the_line_waits_and_the_request_does_not() {
    inside(async |dns| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let worker = logging(&path, Some(dns.address));
        let entry = entry(&worker, EVIL).await;
        assert_eq!(entry.judged.decision.action, Action::Pass);
        assert_eq!(entry.judged.binding(), None, "nobody was asked yet");
        let check = entry.judged.check.clone().unwrap();
        drop(entry);
        while check.binding().is_none() {
            tokio::task::yield_now().await;
        }
        let line = logged(&worker, &path);
        assert!(line.contains(r#""sni_check":"mismatch""#), "{line}");
        assert!(line.contains(r#""enforcement":"forward""#), "{line}");
        assert_eq!(counted(&worker, "log", "mismatch"), 1);
    })
    .await;
}

#[tokio::test]
async fn a_line_is_written_even_if_its_look_up_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let worker = logging(&path, silent.local_addr().ok());
    let local = LocalSet::new();
    local
        .run_until(async { drop(entry(&worker, GOOD).await) })
        .await;
    drop(local);
    let line = logged(&worker, &path);
    assert!(line.contains(r#""sni_check":"unresolved""#), "{line}");
}

#[tokio::test(start_paused = true)]
async fn silent_dns_holds_up_what_needs_it_until_the_deadline() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let worker = worker("require", silent.local_addr().ok());
    let started = Instant::now();
    let judged = judge(&worker, "good.example", GOOD).await;
    assert_eq!(judged, Err(Undecidable::DestinationUnresolved));
    let limits = worker.shared.live.load().config.dns;
    assert!(started.elapsed() <= limits.deadline + Duration::from_millis(10));
    assert_eq!(judge(&worker, "unlisted.example", GOOD).await, PASSES);
}

#[tokio::test(start_paused = true)]
async fn look_ups_are_bounded_for_all_and_for_one_client() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let worker = worker("require", silent.local_addr().ok());
    let clients = (0_u32..).map(|number| IpAddr::V4(number.into()));
    let places: Vec<_> = clients
        .take(LOOK_UPS_MAX)
        .map(|client| worker.look_ups.place(client).expect("a place"))
        .collect();
    let full = judge(&worker, "good.example", GOOD).await;
    assert_eq!(full, Err(Undecidable::DestinationUnresolved));
    assert_eq!(counted(&worker, "require", "busy"), 1);
    drop(places);
    assert_eq!(worker.look_ups.open.get(), 0);
    assert!(worker.look_ups.of_clients.borrow().is_empty());
    let mut turns = Vec::new();
    let client = IpAddr::from([127, 0, 0, 1]);
    for _ in 0..crate::dial::CLIENT_RESOLUTIONS_MAX {
        turns.push(worker.look_ups.turns.next(client).await.unwrap());
    }
    let waiting = judge(&worker, "good.example", GOOD).await;
    assert_eq!(waiting, Err(Undecidable::DestinationUnresolved));
    assert_eq!(counted(&worker, "require", "late"), 1);
    assert_eq!(worker.look_ups.open.get(), 0);
}

#[tokio::test]
async fn a_client_that_waits_for_silent_names_leaves_room_for_another() {
    let worker = worker("require", None);
    let look_ups = &worker.look_ups;
    // Every one of them from another address of one network.
    let greedy = (0_u16..).map(|number| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number).into());
    let places: Vec<_> = greedy.map_while(|client| look_ups.place(client)).collect();
    assert_eq!(places.len(), CLIENT_LOOK_UPS_MAX);
    assert!(look_ups.place("2001:db8:0:1::1".parse().unwrap()).is_some());
    drop(places);
    assert!(look_ups.of_clients.borrow().is_empty());
}

#[tokio::test]
async fn odd_names_are_not_asked_for() {
    inside(async |dns| {
        let resolver = resolver(dns.address);
        let like = IpAddr::from([127, 0, 0, 1]);
        for name in [
            "a!b.example",
            "x y.example",
            "é.example",
            "..",
            &"a".repeat(64),
        ] {
            assert_eq!(resolver.addresses(name, like).await, None, "{name}");
        }
        assert_eq!(dns.asked.get(), 0);
        let found = resolver.addresses("good.example", like).await;
        assert_eq!(found, Some(vec![GOOD.parse().unwrap()]));
        let other = resolver.addresses(
            "good.example",
            Ipv4Addr::LOCALHOST.to_ipv6_compatible().into(),
        );
        assert_eq!(other.await, Some(Vec::new()), "it has no IPv6 address");
    })
    .await;
}

/// A resolver that knows `good.example`.
struct TestDns {
    address: SocketAddr,
    asked: Rc<Cell<usize>>,
    lifetime_s: Rc<Cell<u32>>,
}

/// Runs a test beside a resolver.
async fn inside(test: impl AsyncFnOnce(TestDns)) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let dns = TestDns {
        address: socket.local_addr().unwrap(),
        asked: Rc::default(),
        lifetime_s: Rc::new(Cell::new(60)),
    };
    let (asked, lifetime_s) = (Rc::clone(&dns.asked), Rc::clone(&dns.lifetime_s));
    let local = LocalSet::new();
    local.spawn_local(async move {
        let mut message = [0; 512];
        loop {
            let (len, from) = socket.recv_from(&mut message).await.unwrap();
            asked.set(asked.get() + 1);
            let answer = answer(&message[..len], lifetime_s.get());
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    local.run_until(test(dns)).await;
}

/// Answers a question (RFC 1035 section 4.1), and leaves its additional records out.
fn answer(message: &[u8], lifetime_s: u32) -> Vec<u8> {
    let name_len = message[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
    let question = &message[12..12 + name_len + 4];
    let is_good = question.starts_with(b"\x04good\x07example\0");
    let is_a = question.ends_with(&[0, 1, 0, 1]);
    let mut answer = message[..2].to_vec();
    answer.extend([0x81, if is_good { 0x80 } else { 0x83 }, 0, 1]);
    answer.extend([0, u8::from(is_good && is_a), 0, 0, 0, 0]);
    answer.extend(question);
    if is_good && is_a {
        answer.extend([0xc0, 12, 0, 1, 0, 1]);
        answer.extend(lifetime_s.to_be_bytes());
        answer.extend([0, 4]);
        answer.extend(GOOD.parse::<Ipv4Addr>().unwrap().octets());
    }
    answer
}

fn resolver(dns: SocketAddr) -> Resolver {
    let mut connection = ConnectionConfig::udp();
    connection.port = dns.port();
    let server = NameServerConfig::new(dns.ip(), true, vec![connection]);
    let servers = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    Resolver::new(servers, ResolverOpts::default(), fixture::config().dns).unwrap()
}

fn worker(mode: &str, dns: Option<SocketAddr>) -> Rc<Worker> {
    worker_with(mode, dns, None)
}

fn logging(path: &Path, dns: Option<SocketAddr>) -> Rc<Worker> {
    let log = AccessLog {
        path: Some(path.to_owned()),
        redact_subscriber: false,
        redact_query: false,
    };
    worker_with("log", dns, Some(log))
}

fn worker_with(mode: &str, dns: Option<SocketAddr>, log: Option<AccessLog>) -> Rc<Worker> {
    let text = POLICY.replace("$mode", mode);
    let compiled = policy::compile("p.yaml", &text, &|path| Err(path.to_owned())).unwrap();
    let fixed = (
        "fixed.example".to_owned(),
        "198.51.100.9:80".parse().unwrap(),
    );
    let content = Content {
        policy: Arc::new(compiled.set),
        static_hosts: Arc::new(BTreeMap::from([fixed])),
        ..fixture::content("discard", "block")
    };
    let mut config = fixture::config();
    config.access_log = log;
    let worker = fixture::worker(config.clone(), content.clone());
    worker.shared.live.store(Arc::new(Live {
        content,
        config,
        resolver: dns.map(resolver),
        generation: 1,
    }));
    worker
}

fn connection(dialled: &str) -> Connection {
    fixture::intercepted(SocketAddr::new(dialled.parse().unwrap(), 443))
}

async fn decide(worker: &Rc<Worker>, connection: &Connection, host: &str) -> Judged {
    let readings = Readings::of_sni(host.as_bytes(), 443).unwrap();
    let target = Target::Uri(&readings);
    worker.judge(connection, Protocol::Tls, target).await
}

/// Returns what DNS said of a name that passes, or why it does not.
async fn judge(
    worker: &Rc<Worker>,
    host: &str,
    dialled: &str,
) -> Result<Option<Binding>, Undecidable> {
    let judged = decide(worker, &connection(dialled), host).await;
    match judged.decision.undecidable {
        Some(why) => {
            assert_eq!(judged.decision.action, Action::Block);
            assert_eq!(judged.decision.source, Source::Undecidable);
            Err(why)
        }
        None => {
            assert_eq!(judged.decision.action, Action::Pass);
            Ok(judged.binding())
        }
    }
}

async fn entry(worker: &Rc<Worker>, dialled: &str) -> Entry {
    let connection = connection(dialled);
    Entry {
        worker: Rc::clone(worker),
        judged: decide(worker, &connection, "good.example").await,
        connection,
        protocol: Protocol::Tls,
        exchange: Exchange::new(),
    }
}

/// Returns the only line of the access log.
fn logged(worker: &Worker, path: &Path) -> String {
    worker.shared.access_log.close();
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    text
}

fn counted(worker: &Worker, mode: &str, outcome: &str) -> usize {
    let row = format!("weir_sni_checks_total{{mode=\"{mode}\",outcome=\"{outcome}\"}} ");
    let text = worker.shared.metrics.encode();
    let count = text.lines().find_map(|line| line.strip_prefix(&row));
    count.map_or(0, |count| count.parse().unwrap())
}
