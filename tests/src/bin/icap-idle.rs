//! What idle ICAP clients cost the real ICAP server: memory for each, and the wait of a new one.
//!
//! `cargo run --release -p tests --bin icap-idle -- 10000`; for what it measures see
//! benches/README.md.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement that fails shall say so"
)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tests::client::Client;
use tests::program::Program;
use tests::raise_descriptor_limit;

/// Idle connections, unless told otherwise.
const COUNT: usize = 10_000;

/// New clients whose wait is measured, before and with the idle ones.
const SAMPLES: usize = 500;

/// Idle connections from one address, fewer than it has ports.
const PER_ADDRESS: usize = 20_000;

const QUESTION: &str = "REQMOD icap://x/categorize ICAP/1.0\r\nHost: x\r\nPreview: 0\r\n\
    Allow: 204, trailers\r\nEncapsulated: req-hdr=0, null-body=52\r\n\r\n\
    GET http://web.test/ HTTP/1.1\r\nHost: web.test:80\r\n\r\n";

fn main() {
    let count = std::env::args().nth(1).map_or(COUNT, |count| {
        count.parse().expect("a number of connections")
    });
    raise_descriptor_limit();
    let config = format!(
        "icap_server:\n  listen: ['127.0.0.1:0']\n  categories: lists\n  \
         connections_max: {}\n  limits: {{idle_s: 86400}}\n",
        count + SAMPLES
    );
    let files = [
        ("weir.yaml", config.as_str()),
        ("lists/news/domains", "web.test\n"),
    ];
    let mut program = Program::start(&["icap-server", "--config", "weir.yaml"], &files);
    let address = program.address("icap", 0);
    let (alone, alone_p99) = waits(address);
    let before = program.resident_kib();
    let start = Instant::now();
    let mut idle: Vec<Client> = (0..count).map(|nth| open(nth, address)).collect();
    let opening = start.elapsed();
    let grown = program.resident_kib().saturating_sub(before);
    let (beside, beside_p99) = waits(address);
    // Not one of them was given up.
    for client in &mut idle {
        ask(client);
    }
    println!("idle ICAP clients: {count}, each asked once, in {opening:.1?}");
    println!("memory: {before} KiB before, {grown} KiB more");
    println!("a new client, connect to answer, alone: median {alone:?}, p99 {alone_p99:?}");
    println!("a new client beside them: median {beside:?}, p99 {beside_p99:?}");
    println!("all {count} answered again afterwards");
}

/// Opens the nth idle connection, from an address of loopback that has ports left.
fn open(nth: usize, address: SocketAddr) -> Client {
    let last = u8::try_from(nth / PER_ADDRESS + 1).expect("fewer than five million");
    let source = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
    let mut client = Client::connect_from(source, address);
    ask(&mut client);
    client
}

fn ask(client: &mut Client) {
    client.send(QUESTION);
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.extend(client.take(1));
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("ICAP/1.0 204 "), "{answer}");
    assert!(answer.contains("\r\nX-Attribute: news\r\n"), "{answer}");
}

/// Returns the median and the 99th percentile of a new client's wait.
fn waits(address: SocketAddr) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..SAMPLES)
        .map(|_| {
            let start = Instant::now();
            ask(&mut Client::connect(address));
            start.elapsed()
        })
        .collect();
    times.sort();
    let at = |percent: usize| times.get(SAMPLES * percent / 100).copied();
    (at(50).unwrap(), at(99).unwrap())
}
