//! A stream of RADIUS accounting as a busy gateway sends it, and what it costs to take it.
//!
//! Of ten reports eight say that a session goes on, one that it has ended, and one that the next
//! has begun at its address, under a new id.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement that fails shall say so"
)]

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use feeds::radius::{Client, Config, Radius, Secret};
use feeds::{Basis, Metrics, Subscribers};
use service::Drain;
use sessions::{LiveSessions, SessionStore};

/// Reports of a round.
const REPORTS: usize = 100_000;

/// Rounds of each figure; their median and spread are printed.
const ROUNDS: usize = 5;

/// Reports of which one ends a session and one begins the next.
const CYCLE: usize = 10;

/// What the sender of reports shares with who takes them.
const SECRET: &[u8] = b"secret";

/// Reports that wait for an answer at a time.
const WINDOW: usize = 64;

/// How long an answer may take.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);

/// What Acct-Status-Type says (RFC 2866 section 5.1).
#[derive(Clone, Copy)]
enum Status {
    Start = 1,
    Stop = 2,
    Interim = 3,
}

/// The network that reports.
struct Gateway {
    /// How many sessions each subscriber had.
    turns: Vec<u32>,
    sent: u32,
    event_s: u32,
}

/// Prints what a table of `count` sessions makes of reports: those of which `session_id` names the
/// first at each `address`, as they were before `event_s`.
pub fn measure(live: &Arc<LiveSessions>, count: u32, event_s: u32) {
    let mut gateway = Gateway {
        turns: vec![0; usize::try_from(count).unwrap()],
        sent: 0,
        event_s,
    };
    let rounds: Vec<Vec<Vec<u8>>> = (0..ROUNDS).map(|_| gateway.round()).collect();
    let len = average_len(&rounds);
    row(
        &format!("RADIUS reports of {len} bytes read and answered, in a second"),
        rounds.iter().map(|round| read_and_answer(round)),
    );
    let (address, thread) = listen(live);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(address).unwrap();
    socket.set_read_timeout(Some(ANSWER_WAIT_MAX)).unwrap();
    let mut by_processor = Vec::new();
    let by_clock = rounds.iter().map(|round| {
        let (before_s, start) = (processor_s(&thread), Instant::now());
        exchange(&socket, round);
        by_processor.push(rate(processor_s(&thread) - before_s));
        rate(start.elapsed().as_secs_f64())
    });
    let by_clock: Vec<u64> = by_clock.collect();
    row(
        "reports put in force and answered over loopback, in a second",
        by_clock,
    );
    row(
        "the same, in a second of the listener's processor time",
        by_processor,
    );
    assert_eq!(
        live.len(),
        gateway.turns.len(),
        "each that ended has a successor"
    );
}

/// Returns the id of a session: the first, second ... of a subscriber.
#[must_use]
pub fn session_id(subscriber: u32, turn: u32) -> String {
    format!("{:016X}", u64::from(subscriber) << 20 | u64::from(turn))
}

/// Returns the address of a subscriber.
#[must_use]
pub fn address(subscriber: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0A00_0000 + subscriber)
}

/// Goes through all subscribers in an order that no cache foresees.
#[must_use]
pub fn spread(n: u32, count: u32) -> u32 {
    n.wrapping_mul(2_654_435_761) % count
}

impl Gateway {
    fn round(&mut self) -> Vec<Vec<u8>> {
        self.event_s += 1;
        (0..REPORTS).map(|nth| self.report(nth)).collect()
    }

    fn report(&mut self, nth: usize) -> Vec<u8> {
        let count = u32::try_from(self.turns.len()).unwrap();
        self.sent += 1;
        match nth % CYCLE {
            0 => self.datagram(Status::Stop, spread(self.sent, count)),
            1 => {
                // That of the one before, whose session has ended.
                let subscriber = spread(self.sent - 1, count);
                self.turns[usize::try_from(subscriber).unwrap()] += 1;
                self.datagram(Status::Start, subscriber)
            }
            _ => self.datagram(Status::Interim, spread(self.sent, count)),
        }
    }

    /// Makes an Accounting-Request (RFC 2866 section 4.1) with the attributes that gateways of
    /// mobile networks send (3GPP TS 29.061 section 16.4).
    fn datagram(&self, status: Status, subscriber: u32) -> Vec<u8> {
        let turn = self.turns[usize::try_from(subscriber).unwrap()];
        let mut attributes = Vec::new();
        let mut add = |kind: u8, value: &[u8]| {
            attributes.extend([kind, u8::try_from(value.len() + 2).unwrap()]);
            attributes.extend(value);
        };
        let number = |number: u32| number.to_be_bytes();
        add(40, &number(status as u32));
        add(44, session_id(subscriber, turn).as_bytes());
        add(4, &[192, 0, 2, 1]);
        add(8, &address(subscriber).octets());
        add(31, format!("49170{subscriber:07}").as_bytes());
        add(30, b"internet");
        add(
            1,
            format!("49170{subscriber:07}@operator.example").as_bytes(),
        );
        // Service-Type Framed, Framed-Protocol GPRS-PDP-Context, NAS-Port-Type Virtual.
        add(6, &number(2));
        add(7, &number(7));
        add(61, &number(5));
        add(45, &number(1));
        add(41, &number(0));
        add(55, &number(self.event_s));
        for counter in [42, 43, 46, 47, 48] {
            add(counter, &number(self.sent));
        }
        let imsi = format!("26201{subscriber:010}");
        for (kind, value) in [
            (1, imsi.as_bytes()),
            (8, b"26201"),
            (13, b"0800"),
            (18, b"26201"),
        ] {
            let mut vendor = vec![
                0,
                0,
                0x28,
                0xAF,
                kind,
                u8::try_from(value.len() + 2).unwrap(),
            ];
            vendor.extend(value);
            add(26, &vendor);
        }
        signed(self.sent.to_le_bytes()[0], &attributes)
    }
}

fn signed(identifier: u8, attributes: &[u8]) -> Vec<u8> {
    let mut bytes = vec![4, identifier];
    bytes.extend(u16::try_from(20 + attributes.len()).unwrap().to_be_bytes());
    let sum = [&bytes, &[0; 16][..], attributes, SECRET].concat();
    bytes.extend(md5::compute(sum).0);
    bytes.extend(attributes);
    bytes
}

fn read_and_answer(datagrams: &[Vec<u8>]) -> u64 {
    let start = Instant::now();
    for datagram in datagrams {
        let request = accounting::Request::read(datagram, SECRET).unwrap();
        assert!(request.session_id().is_some() && !request.ranges().is_empty());
        assert!(request.calling_station().is_some() && request.imsi().is_some());
        request.answer().unwrap();
    }
    rate(start.elapsed().as_secs_f64())
}

/// Lets one thread take reports. Returns where, and the directory of what the system knows of it.
fn listen(live: &Arc<LiveSessions>) -> (SocketAddr, String) {
    let (tell, told) = mpsc::channel();
    let store: Arc<dyn SessionStore> = Arc::clone(live) as _;
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(async {
            let config = Config {
                listen: vec![(Ipv4Addr::LOCALHOST, 0).into()],
                clients: vec![Client {
                    range: IpAddr::from(Ipv4Addr::LOCALHOST).into(),
                    secret: Secret::new(SECRET).unwrap(),
                }],
                profiles: Vec::new(),
            };
            let (metrics, drain) = (Arc::new(Metrics::new(Arc::clone(&store))), Drain::default());
            let subscribers = Subscribers::start(store, Basis::default(), &metrics, &drain);
            let radius = Radius::start(config, &subscribers, &metrics, &drain).unwrap();
            let thread = fs::read_link("/proc/thread-self").unwrap();
            let thread = format!("/proc/{}", thread.display());
            tell.send((radius.addresses()[0], thread)).unwrap();
            std::future::pending::<()>().await;
        });
    });
    told.recv().unwrap()
}

/// Sends all, a window at a time, and waits for the answers of each.
fn exchange(socket: &UdpSocket, datagrams: &[Vec<u8>]) {
    let mut answer = [0; 64];
    for window in datagrams.chunks(WINDOW) {
        for datagram in window {
            socket.send(datagram).unwrap();
        }
        for _ in window {
            socket.recv(&mut answer).expect("every report is answered");
        }
    }
}

/// Returns how long a thread had the processor, in seconds.
fn processor_s(thread: &str) -> f64 {
    let times = fs::read_to_string(format!("{thread}/schedstat")).unwrap();
    let first = times.split_whitespace().next().unwrap();
    Duration::from_nanos(first.parse().unwrap()).as_secs_f64()
}

fn rate(taken_s: f64) -> u64 {
    (f64::from(u32::try_from(REPORTS).unwrap()) / taken_s).round() as u64
}

fn average_len(rounds: &[Vec<Vec<u8>>]) -> usize {
    let datagrams = rounds.iter().flatten();
    datagrams.map(Vec::len).sum::<usize>() / (ROUNDS * REPORTS)
}

fn row(name: &str, figures: impl IntoIterator<Item = u64>) {
    let mut figures: Vec<u64> = figures.into_iter().collect();
    figures.sort_unstable();
    let [least, median, most] = [0, figures.len() / 2, figures.len() - 1].map(|at| figures[at]);
    println!("| {name} | {median} | {least} | {most} | |");
}
