//! What a decision costs while the categorizer stalls, is slow or is gone: the real program
//! against endpoints that misbehave, from its first request on.
//!
//! `cargo run --release -p tests --bin stalls -- 250 400`: a deadline in milliseconds, and
//! requests for each row. For what it measures see benches/README.md.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement that fails shall say so"
)]

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tests::client::Client;
use tests::gateway::Setup;
use tests::icap_peer::{IcapPeer, Reply};
use tests::wait_for;

/// The deadline of a decision, in milliseconds, unless told otherwise.
const DEADLINE_MS: u64 = 250;

/// Requests for each row, unless told otherwise.
const REQUESTS: usize = 400;

/// Clients that ask at a time, each one request after the other.
const CLIENTS: usize = 8;

/// How much longer than the deadline a decision may take at the 99th percentile.
const LATE_MAX: Duration = Duration::from_millis(10);

const POLICY: &str = "
profiles:
  all: {icap: true, default_action: block, unknown_action: block, error_action: block,
        undecidable_action: block, block_response: forbidden}
default_profile: all
";

/// A kind of trouble, and how it is set up.
type Row = (&'static str, fn() -> Endpoints);

/// Endpoints and what keeps them there.
struct Endpoints {
    addresses: Vec<SocketAddr>,
    _alive: Vec<Box<dyn std::any::Any>>,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| {
        arguments.next().map_or(default, |text| {
            text.parse()
                .expect("a deadline in ms, and a number of requests")
        })
    };
    let deadline_ms = number(DEADLINE_MS);
    let requests = usize::try_from(number(REQUESTS as u64)).unwrap();
    println!(
        "deadline {deadline_ms} ms, {requests} requests of {CLIENTS} clients, load {}",
        std::fs::read_to_string("/proc/loadavg").unwrap().trim()
    );
    println!(
        "{:<34} {:>8} {:>8} {:>8} {:>8}  {:<5} failures",
        "endpoints (decision in ms)", "first", "p50", "p99", "max", "bound"
    );
    let rows: [Row; 13] = [
        ("answers at once", || peer(|_| good())),
        ("nobody listens", nobody),
        ("accepts nothing", full),
        ("stalls with its OPTIONS", silent),
        ("stalls with every question", || peer(|_| Reply::Stall)),
        ("stalls within its answers", || {
            peer(|_| Reply::Raw(b"ICAP/1.0 204 No".to_vec()))
        }),
        ("answers in 100 ms", || {
            peer(|_| Reply::Late(good_lines(), Duration::from_millis(100)))
        }),
        ("answers in 400 ms", || {
            peer(|_| Reply::Late(good_lines(), Duration::from_millis(400)))
        }),
        ("answers a byte in 1 ms", || {
            peer(|_| Reply::Drip(good_lines(), Duration::from_millis(1)))
        }),
        ("answers a byte in 20 ms", || {
            peer(|_| Reply::Drip(good_lines(), Duration::from_millis(20)))
        }),
        ("closes at every question", || peer(|_| Reply::Close)),
        ("one stalls, one answers", || {
            both(peer(|_| Reply::Stall), peer(|_| good()))
        }),
        ("one accepts nothing, one answers", || {
            both(full(), peer(|_| good()))
        }),
    ];
    for (name, endpoints) in rows {
        row(name, &endpoints(), deadline_ms, requests);
    }
}

fn row(name: &str, endpoints: &Endpoints, deadline_ms: u64, requests: usize) {
    let mut setup = Setup::new(POLICY).icap_line(&format!("deadline_ms: {deadline_ms}"));
    for address in &endpoints.addresses {
        setup = setup.icap(*address);
    }
    let gateway = setup.start();
    let address = gateway.address;
    // The very first request, before anything is known of the endpoints.
    assert_eq!(get(&mut Client::connect(address), "first"), 403);
    let each = requests / CLIENTS;
    let asking: Vec<_> = (0..CLIENTS)
        .map(|client| {
            std::thread::spawn(move || {
                let mut socket = Client::connect(address);
                for number in 0..each {
                    assert_eq!(get(&mut socket, &format!("{client}/{number}")), 403);
                }
            })
        })
        .collect();
    for client in asking {
        client.join().unwrap();
    }
    let count = 1 + each * CLIENTS;
    let lines = wait_for("the access log", || {
        let lines = gateway.program.decisions(&["http://web.test/"]);
        (lines.len() >= count).then_some(lines)
    });
    let took =
        |line: &serde_json::Value| Duration::from_micros(line["decision_us"].as_u64().unwrap());
    let first = lines
        .iter()
        .find(|line| line["uri"] == "http://web.test/first")
        .unwrap();
    let mut all: Vec<Duration> = lines.iter().map(took).collect();
    all.sort();
    let at = |percent: usize| {
        let at = (all.len() * percent / 100).min(all.len() - 1);
        all.get(at).copied().unwrap_or_default()
    };
    let bound = Duration::from_millis(deadline_ms) + LATE_MAX;
    let verdict = match at(99) <= bound && took(first) <= bound {
        true => "kept",
        false => "MISSED",
    };
    let mut failures = std::collections::BTreeMap::<&str, usize>::new();
    for line in &lines {
        let word = line["icap_failure"].as_str().unwrap_or("none");
        *failures.entry(word).or_default() += 1;
    }
    let [first, p50, p99, max] =
        [took(first), at(50), at(99), *all.last().unwrap()].map(|time| time.as_secs_f64() * 1e3);
    println!("{name:<34} {first:>8.2} {p50:>8.2} {p99:>8.2} {max:>8.2}  {verdict:<6} {failures:?}");
}

fn get(client: &mut Client, path: &str) -> u16 {
    client.get(&format!("http://web.test/{path}")).status
}

fn good() -> Reply {
    Reply::Lines(good_lines())
}

fn good_lines() -> Vec<String> {
    vec!["X-Attribute: games".to_owned()]
}

fn peer(script: fn(&str) -> Reply) -> Endpoints {
    let peer = IcapPeer::start(script);
    Endpoints {
        addresses: vec![peer.address],
        _alive: vec![Box::new(peer)],
    }
}

fn both(first: Endpoints, second: Endpoints) -> Endpoints {
    Endpoints {
        addresses: [first.addresses, second.addresses].concat(),
        _alive: vec![Box::new((first._alive, second._alive))],
    }
}

/// An address that nobody listens on.
fn nobody() -> Endpoints {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    Endpoints {
        addresses: vec![listener.local_addr().unwrap()],
        _alive: Vec::new(),
    }
}

/// A listener that takes no connection up: the system connects, and nothing ever answers.
fn full() -> Endpoints {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    Endpoints {
        addresses: vec![listener.local_addr().unwrap()],
        _alive: vec![Box::new(listener)],
    }
}

/// A listener that takes connections up, reads nothing and says nothing.
fn silent() -> Endpoints {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let open = Arc::new(Mutex::new(Vec::new()));
    let sockets = Arc::clone(&open);
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            sockets.lock().unwrap().push(socket);
        }
    });
    Endpoints {
        addresses: vec![address],
        _alive: vec![Box::new(open)],
    }
}
