//! What a table of live sessions takes: memory for each, time to look one up while nobody and
//! while somebody reports, and reports taken in a second, at the table and by RADIUS. Beside it a `HashMap` of the same
//! addresses, which a lock would have to guard.
//!
//! `cargo run --release -p tests --bin sessions -- 1000000`: how many sessions.

#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unwrap_used,
    reason = "a measurement that fails shall say so"
)]

use std::collections::HashMap;
use std::fs;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use feeds::radius::{Client, Config, Radius, Secret};
use feeds::{Basis, Metrics, Subscribers};
use service::Drain;
use sessions::{Digits, LiveLimits, LiveSessions, Report, SessionId, SessionStore};

/// Look-ups of a round.
const LOOK_UPS: u32 = 1_000_000;

/// Rounds of each figure; their median and spread are printed.
const ROUNDS: usize = 9;

/// Reports of a round.
const REPORTS: u32 = 200_000;

/// What the sender of reports shares with who takes them.
const SECRET: &[u8] = b"secret";

/// Reports that wait for an answer at a time.
const WINDOW: usize = 64;

/// How long an answer may take.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);

fn main() {
    let count = std::env::args().nth(1).map_or(1_000_000, |text| {
        text.parse().expect("a number of sessions")
    });
    let before = resident_bytes();
    let live = LiveSessions::new(LiveLimits {
        sessions_max: usize::try_from(count).unwrap(),
        lifetime_s: 3_600,
    });
    let profile: Arc<str> = "child".into();
    for n in 0..count {
        live.report(&report(n, 1, &profile), 1).unwrap();
    }
    let bytes = resident_bytes().saturating_sub(before);
    println!(
        "memory for each of {count} sessions: {} bytes",
        bytes / u64::from(count)
    );
    assert_eq!(live.len(), usize::try_from(count).unwrap());
    let known: HashMap<IpAddr, u32> = (0..count).map(|n| (address(n), n)).collect();
    println!("look-ups of random sessions, ns each (median, least, most):");
    row("live table", || {
        look_up(count, |it| live.lookup(it).is_some())
    });
    row("HashMap beside it", || {
        look_up(count, |it| known.contains_key(&it))
    });
    let misses = |it| live.lookup(it).is_none();
    row("live table, no session", || {
        look_up_from(count, count, misses)
    });
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut now_s = 2;
            while !done.load(Ordering::Relaxed) {
                for n in 0..1_000 {
                    live.report(&report(spread(n, count), now_s, &profile), now_s)
                        .unwrap();
                }
                now_s += 1;
            }
        });
        row("live table, while another thread reports", || {
            look_up(count, |it| live.lookup(it).is_some())
        });
        done.store(true, Ordering::Relaxed);
    });
    let mut now_s = 1_000_000;
    row("a report of an open session", || {
        now_s += 1;
        let reports: Vec<Report> = (0..REPORTS)
            .map(|n| report(spread(n, count), now_s, &profile))
            .collect();
        let start = Instant::now();
        for report in &reports {
            live.report(report, 1).unwrap();
        }
        start.elapsed().as_nanos() / u128::from(REPORTS)
    });
    println!("RADIUS accounting over loopback, requests answered in a second by one thread:");
    let rate = radius_rate(&Arc::new(live), count);
    println!("{:<42} {rate:>6}", "interim reports of known sessions");
}

/// Lets one thread take reports, and another send them, a window at a time.
fn radius_rate(live: &Arc<LiveSessions>, count: u32) -> u64 {
    let (tell, told) = std::sync::mpsc::channel();
    let (live, secret) = (Arc::clone(live), Secret::new(SECRET).unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let config = Config {
                listen: vec![(Ipv4Addr::LOCALHOST, 0).into()],
                clients: vec![Client {
                    range: IpAddr::from(Ipv4Addr::LOCALHOST).into(),
                    secret,
                }],
                profiles: Vec::new(),
            };
            let store: Arc<dyn SessionStore> = Arc::clone(&live) as _;
            let (metrics, drain) = (Arc::new(Metrics::new(Arc::clone(&store))), Drain::default());
            let subscribers = Subscribers::start(store, Basis::default(), &metrics, &drain);
            let radius = Radius::start(config, &subscribers, &metrics, &drain).unwrap();
            tell.send(radius.addresses()[0]).unwrap();
            std::future::pending::<()>().await;
        });
    });
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(told.recv().unwrap()).unwrap();
    socket.set_read_timeout(Some(ANSWER_WAIT_MAX)).unwrap();
    let datagrams: Vec<Vec<u8>> = (0..REPORTS)
        .map(|n| datagram(spread(n, count), n))
        .collect();
    let mut answer = [0; 64];
    let start = Instant::now();
    for window in datagrams.chunks(WINDOW) {
        for datagram in window {
            socket.send(datagram).unwrap();
        }
        for _ in window {
            socket.recv(&mut answer).expect("every report is answered");
        }
    }
    let taken_s = start.elapsed().as_secs_f64();
    (f64::from(REPORTS) / taken_s).round() as u64
}

/// An Interim-Update of a session with an address and a number.
fn datagram(n: u32, identifier: u32) -> Vec<u8> {
    let mut attributes = Vec::new();
    let mut add = |kind: u8, value: &[u8]| {
        attributes.extend([kind, u8::try_from(value.len() + 2).unwrap()]);
        attributes.extend(value);
    };
    let IpAddr::V4(address) = address(n) else {
        unreachable!("sessions have IPv4 addresses");
    };
    add(40, &[0, 0, 0, 3]);
    add(44, format!("{:016X}", u64::from(n) << 20).as_bytes());
    add(4, &[192, 0, 2, 1]);
    add(8, &address.octets());
    add(31, format!("49170{n:07}").as_bytes());
    add(30, b"internet");
    let mut bytes = vec![4, identifier.to_le_bytes()[0]];
    bytes.extend(u16::try_from(20 + attributes.len()).unwrap().to_be_bytes());
    let sum = [&bytes, &[0; 16][..], &attributes, SECRET].concat();
    bytes.extend(md5::compute(sum).0);
    bytes.extend(attributes);
    bytes
}

fn row(name: &str, mut round: impl FnMut() -> u128) {
    let mut figures: Vec<u128> = (0..ROUNDS).map(|_| round()).collect();
    figures.sort_unstable();
    println!(
        "{name:<42} {:>6} {:>6} {:>6}",
        figures[ROUNDS / 2],
        figures[0],
        figures[ROUNDS - 1]
    );
}

fn look_up(count: u32, found: impl Fn(IpAddr) -> bool) -> u128 {
    look_up_from(0, count, found)
}

fn look_up_from(first: u32, count: u32, found: impl Fn(IpAddr) -> bool) -> u128 {
    let start = Instant::now();
    for n in 0..LOOK_UPS {
        assert!(black_box(found(address(first + spread(n, count)))));
    }
    start.elapsed().as_nanos() / u128::from(LOOK_UPS)
}

/// Goes through all sessions in an order that no cache foresees.
fn spread(n: u32, count: u32) -> u32 {
    n.wrapping_mul(2_654_435_761) % count
}

fn address(n: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0A00_0000 + n).into()
}

fn report(n: u32, event_s: u32, profile: &Arc<str>) -> Report {
    let id = format!("{:016X}", u64::from(n) << 20);
    Report {
        nas: "192.0.2.1".into(),
        id: SessionId::new(id.as_bytes()).unwrap(),
        ranges: vec![address(n).into()],
        msisdn: Digits::new(&format!("49170{n:07}")),
        imsi: Digits::new(&format!("26201{n:010}")),
        apn: Some("internet".into()),
        profile: Some(Arc::clone(profile)),
        event_s,
    }
}

fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line
        .and_then(|line| line.split_whitespace().next())
        .unwrap();
    kib.parse::<u64>().unwrap() * 1_024
}
