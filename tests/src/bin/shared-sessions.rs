//! What live sessions in Redis take: writes in a second beside those of `redis-benchmark` on the
//! same Redis, what is known here, what has to be asked for, and how long it takes until what one
//! gateway wrote is in force at another. Prints a table of Markdown; Redis and all else share the
//! processors.
//!
//! `cargo run --release -p tests --bin shared-sessions -- 300000`: how many sessions.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement that fails shall say so"
)]

use std::collections::VecDeque;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use feeds::now_s;
use feeds::shared::{Address, Config, Metrics, SharedStore, Watch};
use ipnet::{IpNet, Ipv4Net};
use service::Drain;
use sessions::{Applied, Change, Digits, Lookup, Report, SessionId, SessionStore};
use tests::peers::redis::Redis;

/// Changes that are under way at a time.
const UNDER_WAY: usize = 4_000;

/// Sessions that are written at one gateway and looked for at the other.
const HANDED_ON: u32 = 2_000;

/// Look-ups of a round.
const LOOK_UPS: u32 = 1_000_000;

/// What `redis-benchmark` writes.
const FLOOR_SETS: u32 = 400_000;

/// The kernel's unit of processor time.
const TICKS_PER_SECOND: f64 = 100.0;

/// Rounds of writes.
const ROUNDS: u32 = 3;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let count = std::env::args()
        .nth(1)
        .map_or(300_000, |text| text.parse().expect("a number of sessions"));
    let redis = Redis::start(&[]);
    println!("| row | figure |");
    println!("|---|--:|");
    let (one, other) = (gateway(&redis).await, gateway(&redis).await);
    for round in 0..ROUNDS {
        redis.call(&["FLUSHALL"]);
        ready(&one).await;
        let before_s = busy_s(&redis);
        let plain = floor(&redis);
        println!(
            "| `redis-benchmark` SET of 120 bytes, 1 connection, 128 at a time, a second | {plain:.0} |"
        );
        tell_busy(&redis, before_s, FLOOR_SETS);
        redis.call(&["FLUSHALL"]);
        ready(&one).await;
        let before = used(&redis);
        let begin_s = now_s() - 100 + round;
        let changes = all(count, |n| report(n, begin_s));
        let before_s = busy_s(&redis);
        let opened = writes(&one, changes).await;
        println!("| sessions opened a second | {opened:.0} |");
        tell_busy(&redis, before_s, count);
        let bytes = (used(&redis) - before) / u64::from(count);
        println!("| bytes of Redis for each | {bytes} |");
        let changes = all(count, |n| report(n, begin_s + 1));
        let before_s = busy_s(&redis);
        let changed = writes(&one, changes).await;
        println!("| sessions reported again a second | {changed:.0} |");
        tell_busy(&redis, before_s, count);
        let changes = all(count, |n| close(n, begin_s + 2));
        let before_s = busy_s(&redis);
        let closed = writes(&one, changes).await;
        println!("| sessions ended a second | {closed:.0} |");
        tell_busy(&redis, before_s, count);
    }
    asked(&one, &other).await;
    handed_on(&one, &other).await;
}

async fn gateway(redis: &Redis) -> Arc<SharedStore> {
    let config = Config {
        address: Address::Unix(redis.socket()),
        tls: None,
        login: None,
        database: 0,
        realm: "".into(),
        timeout: Duration::from_secs(5),
        entries_max: 262_144,
        entry_lifetime_s: 600,
        outage_s: 600,
        lifetime_s: 7_200,
        watch: Watch::Nothing,
    };
    let store = SharedStore::start(config, &Metrics::default(), &Drain::default());
    ready(&store).await;
    store
}

/// Waits until a store is connected, as it was told that everything is gone.
async fn ready(store: &Arc<SharedStore>) {
    tokio::time::sleep(Duration::from_millis(20)).await;
    while store.get(range(0)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Returns how many plain SET Redis takes in a second.
fn floor(redis: &Redis) -> f64 {
    let output = Command::new("redis-benchmark")
        .arg("-s")
        .arg(redis.socket())
        .args(["-t", "set", "-P", "128", "-c", "1", "-n"])
        .arg(FLOOR_SETS.to_string())
        .args(["-r", "1000000", "-d", "120", "--csv"])
        .output()
        .expect("redis-benchmark starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let row = text.lines().find(|line| line.starts_with("\"SET\""));
    let figure = row.and_then(|row| row.split('"').nth(3));
    figure.expect("a row for SET").parse().unwrap()
}

/// Makes changes before it is measured what becomes of them.
fn all(count: u32, change: impl Fn(u32) -> Change) -> Vec<Change> {
    (0..count).map(change).collect()
}

/// Returns how many changes the store makes in a second.
async fn writes(store: &Arc<SharedStore>, changes: Vec<Change>) -> f64 {
    let count = u32::try_from(changes.len()).unwrap();
    let (began, at_s) = (Instant::now(), now_s());
    let mut answers = VecDeque::new();
    for change in changes {
        if answers.len() >= UNDER_WAY {
            let effect: Result<sessions::Effect, _> = answers.pop_front().unwrap().await;
            assert!(!matches!(
                effect.unwrap().applied,
                Applied::Stale | Applied::Unknown
            ));
        }
        answers.push_back(store.change(change, at_s));
    }
    for answer in answers {
        answer.await.unwrap();
    }
    f64::from(count) / began.elapsed().as_secs_f64()
}

/// Measures what a question takes, and a look-up of what is known.
async fn asked(one: &Arc<SharedStore>, other: &Arc<SharedStore>) {
    let begin_s = now_s();
    writes(one, all(HANDED_ON, |n| report(n, begin_s))).await;
    let mut took = Vec::new();
    for n in 0..HANDED_ON {
        let began = Instant::now();
        let found = other.lookup(address(n)).answer().await.unwrap();
        took.push(began.elapsed());
        assert!(found.is_some());
    }
    tell("who has an address, asked for", took);
    let began = Instant::now();
    for n in 0..LOOK_UPS {
        let found = other.lookup(address(n % HANDED_ON));
        assert!(matches!(black_box(found), Lookup::Known(Some(_))));
    }
    println!(
        "| who has an address, known, ns | {:.0} |",
        began.elapsed().as_secs_f64() * 1e9 / f64::from(LOOK_UPS)
    );
}

/// Measures from the answer to a report at one gateway until the other has it in force, which knew
/// what was before.
async fn handed_on(one: &Arc<SharedStore>, other: &Arc<SharedStore>) {
    let begin_s = now_s() + 1;
    let mut took = Vec::new();
    for n in 0..HANDED_ON {
        one.change(report(n, begin_s), begin_s).await.unwrap();
        let began = Instant::now();
        loop {
            let found = other.lookup(address(n)).answer().await.unwrap();
            if found.is_some_and(|it| it.changed_s == begin_s) {
                break;
            }
            tokio::task::yield_now().await;
        }
        took.push(began.elapsed());
    }
    tell("from the answer until in force at the other", took);
}

fn tell(row: &str, mut took: Vec<Duration>) {
    took.sort();
    for (name, part) in [("p50", 50), ("p99", 99), ("most", 100)] {
        let place = (took.len() * part / 100).min(took.len() - 1);
        let micros = took.get(place).unwrap().as_micros();
        println!("| {row}, {name}, µs | {micros} |");
    }
}

/// Tells what each of so many cost: processor time says it also where others take turns.
fn tell_busy(redis: &Redis, (redis_s, own_s): (f64, f64), count: u32) {
    let now = busy_s(redis);
    let each = |from: f64, to: f64| (to - from) * 1e6 / f64::from(count);
    println!(
        "| … processor time of Redis, µs | {:.2} |",
        each(redis_s, now.0)
    );
    println!("| … of this program, µs | {:.2} |", each(own_s, now.1));
}

/// Returns the processor time of Redis and of this program, in seconds.
fn busy_s(redis: &Redis) -> (f64, f64) {
    let text = redis.call(&["INFO", "cpu"]);
    let of = |name: &str| {
        let (_, rest) = text.split_once(name).unwrap();
        rest.lines().next().unwrap().trim().parse::<f64>().unwrap()
    };
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: u32 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|it| it.parse::<u32>().unwrap())
        .sum();
    let redis_s = of("\nused_cpu_user:") + of("\nused_cpu_sys:");
    (redis_s, f64::from(ticks) / TICKS_PER_SECOND)
}

fn used(redis: &Redis) -> u64 {
    let text = redis.call(&["INFO", "memory"]);
    let (_, rest) = text.split_once("used_memory:").unwrap();
    rest.lines().next().unwrap().trim().parse().unwrap()
}

fn address(n: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0A00_0000 | n))
}

fn range(n: u32) -> IpNet {
    IpNet::V4(Ipv4Net::new(Ipv4Addr::from_bits(0x0A00_0000 | n), 32).unwrap())
}

fn id(n: u32) -> SessionId {
    SessionId::new(format!("0A{n:08X}").as_bytes()).unwrap()
}

fn report(n: u32, event_s: u32) -> Change {
    Change::Report(Report {
        nas: "192.0.2.1".into(),
        id: id(n),
        ranges: vec![range(n)],
        msisdn: Digits::new(&format!("11122{n:07}")),
        imsi: Digits::new(&format!("100200{n:08}")),
        apn: Some("internet".into()),
        profile: Some("child".into()),
        event_s,
    })
}

fn close(n: u32, event_s: u32) -> Change {
    Change::Close {
        nas: "192.0.2.1".into(),
        id: id(n),
        event_s,
    }
}
