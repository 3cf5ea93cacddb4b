//! What a table of live sessions takes: memory for each, time to look one up while nobody and
//! while somebody reports, and what a stream of RADIUS accounting costs: reports are read, put in
//! force and answered. Beside the look-ups a `HashMap` of the same addresses, which a lock would
//! have to guard, one that a lock does guard, and the floor: lines of memory as many as the table
//! has, one of which is read for each address. Prints a table of Markdown; times are of the same
//! round.
//!
//! A look-up of the table ends with the text of the profile's name, the length of which is summed
//! up.
//!
//! `cargo run --release -p tests --bin live-sessions -- 1000000`: how many sessions.

#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement that fails shall say so"
)]

use std::collections::HashMap;
use std::fs;
use std::hint::black_box;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Instant;

use feeds::now_s;
use sessions::{
    Digits, Directory, Fallback, LiveLimits, LiveSessions, Lookup, Report, Selection, SessionId,
    SessionStore,
};
use tests::radius_load::{self, spread};

/// Look-ups of a round.
const LOOK_UPS: u32 = 1_000_000;

/// Rounds of each figure; their median and spread are printed.
const ROUNDS: usize = 9;

/// Reports of a round.
const REPORTS: u32 = 200_000;

/// How long ago all sessions were reported when the measurement begins, in seconds.
const OLD_S: u32 = 1_000;

/// What the memory of the machine allows: as many lines as the table has, of which one is read.
struct Floor(Vec<Line>);

#[repr(align(64))]
struct Line([u64; 8]);

fn main() {
    let count = std::env::args().nth(1).map_or(1_000_000, |text| {
        text.parse().expect("a number of sessions")
    });
    let begin_s = now_s() - OLD_S;
    let before = resident_bytes();
    let live = Arc::new(LiveSessions::new(LiveLimits {
        sessions_max: usize::try_from(count).unwrap(),
        lifetime_s: 4 * 3_600,
    }));
    let profile: Arc<str> = "child".into();
    for n in 0..count {
        live.report(&report(n, begin_s, &profile), begin_s).unwrap();
    }
    let bytes = resident_bytes().saturating_sub(before);
    println!("| row | median | least | most | times the `HashMap` |");
    println!("|---|--:|--:|--:|--:|");
    println!(
        "| bytes for each of {count} sessions | {} | | | |",
        bytes / u64::from(count)
    );
    assert_eq!(live.len(), usize::try_from(count).unwrap());
    look_ups(&live, count);
    look_ups_beside_reports(&live, count, (begin_s + 1, &profile));
    changes(&live, count, (begin_s + 2, &profile));
    radius_load::measure(&live, count, begin_s + 100);
}

fn look_ups(live: &Arc<LiveSessions>, count: u32) {
    let known: HashMap<IpAddr, u32> = (0..count).map(|n| (address(n), n)).collect();
    let guarded = known.iter().map(|(it, n)| (*it, Arc::new(*n)));
    let guarded: RwLock<HashMap<IpAddr, Arc<u32>>> = RwLock::new(guarded.collect());
    let floor = Floor::new(count);
    let store: Arc<dyn SessionStore> = Arc::clone(live) as _;
    let directory =
        Directory::new([], Selection::default()).with_live(Some(store), &Fallback::NextSource);
    let of_map = |it| known.get(&it).copied();
    let of_table = |it| profile_len(live, it);
    let of_guarded = |it| guarded.read().unwrap().get(&it).map(Arc::clone);
    let of_guarded = |it| of_guarded(it).map(|it| *it);
    let of_directory = |it| as_a_request(&directory, it);
    let of_floor = |it| Some(floor.read(it));
    rows(&mut [
        ("`HashMap`, one look-up after the other, ns", &mut || {
            one_by_one(count, of_map)
        }),
        ("live table", &mut || one_by_one(count, of_table)),
        ("live table, as a request asks", &mut || {
            one_by_one(count, of_directory)
        }),
        ("`HashMap` of `Arc` in `RwLock`", &mut || {
            one_by_one(count, of_guarded)
        }),
        ("floor: one line of memory", &mut || {
            one_by_one(count, of_floor)
        }),
    ]);
    rows(&mut [
        (
            "`HashMap`, as many at a time as the processor likes, ns",
            &mut || look_up(count, of_map),
        ),
        ("live table", &mut || look_up(count, of_table)),
        ("live table, as a request asks", &mut || {
            look_up(count, of_directory)
        }),
        ("`HashMap` of `Arc` in `RwLock`", &mut || {
            look_up(count, of_guarded)
        }),
        ("live table, addresses without a session", &mut || {
            look_up_from(count, count, |it| of_table(it).xor(Some(0)))
        }),
        ("floor: one line of memory", &mut || {
            look_up(count, of_floor)
        }),
    ]);
}

fn look_ups_beside_reports(live: &LiveSessions, count: u32, (event_s, profile): (u32, &Arc<str>)) {
    let done = AtomicBool::new(false);
    let mut reported = 0_u64;
    let start = Instant::now();
    std::thread::scope(|scope| {
        let reporter = scope.spawn(|| {
            let mut reports = 0;
            while !done.load(Ordering::Relaxed) {
                for n in 0..1_000 {
                    let report = report(spread(n, count), event_s, profile);
                    live.report(&report, event_s).unwrap();
                }
                reports += 1_000;
            }
            reports
        });
        row("live table, while another thread reports, ns", || {
            look_up(count, |it| profile_len(live, it))
        });
        done.store(true, Ordering::Relaxed);
        reported = reporter.join().unwrap();
    });
    let rate = reported as f64 / start.elapsed().as_secs_f64();
    println!("| reports that it had in force meanwhile, in a second | {rate:.0} | | | |");
}

/// Measures the table alone, without sockets.
fn changes(live: &LiveSessions, count: u32, (event_s, profile): (u32, &Arc<str>)) {
    let mut event_s = event_s;
    let mut next_reports = || {
        event_s += 1;
        let reports = 0..REPORTS;
        reports
            .map(|n| report(spread(n, count), event_s, profile))
            .collect::<Vec<_>>()
    };
    row("a report of an open session, at the table, ns", || {
        of_each(&next_reports(), |report| {
            live.report(report, report.event_s).unwrap();
        })
    });
    row("the end of one and the begin of the next, ns", || {
        of_each(&next_reports(), |report| {
            live.close(&report.nas, &report.id, report.event_s - 1);
            live.report(report, report.event_s).unwrap();
        })
    });
}

/// Returns the time that each of the reports takes.
fn of_each(reports: &[Report], make: impl Fn(&Report)) -> u128 {
    let start = Instant::now();
    reports.iter().for_each(make);
    start.elapsed().as_nanos() / u128::from(REPORTS)
}

fn row(name: &str, mut round: impl FnMut() -> u128) {
    let figures = (0..ROUNDS).map(|_| round()).collect();
    println!("| {name} | {} | |", spans(figures));
}

/// Measures all in turn, round by round, so that what else the machine does meets all.
fn rows(subjects: &mut [(&str, &mut dyn FnMut() -> u128)]) {
    let rounds: Vec<Vec<u128>> = (0..ROUNDS)
        .map(|_| subjects.iter_mut().map(|(_, round)| round()).collect())
        .collect();
    for (nth, (name, _)) in subjects.iter().enumerate() {
        let figures = rounds.iter().map(|round| round[nth]).collect();
        let mut times: Vec<f64> = rounds
            .iter()
            .map(|round| round[nth] as f64 / round[0] as f64)
            .collect();
        times.sort_unstable_by(f64::total_cmp);
        let times = times[ROUNDS / 2];
        println!("| {name} | {} | {times:.2} |", spans(figures));
    }
}

/// Returns median, least and most.
fn spans(mut figures: Vec<u128>) -> String {
    figures.sort_unstable();
    let [median, least, most] = [ROUNDS / 2, 0, ROUNDS - 1].map(|at| figures[at]);
    format!("{median} | {least} | {most}")
}

/// Returns how long the name of the profile of a session is.
fn profile_len(live: &LiveSessions, client: IpAddr) -> Option<u32> {
    let session = live.lookup(client)?;
    u32::try_from(session.profile?.len()).ok()
}

/// The same, by the steps that the proxy takes for a request.
fn as_a_request(directory: &Directory, client: IpAddr) -> Option<u32> {
    let Lookup::Known(reported) = directory.ask(client) else {
        return None;
    };
    let session = directory.session(client, Ok(reported));
    let profile = directory.profile(session.as_deref(), None)?;
    u32::try_from(profile.len()).ok()
}

fn look_up(count: u32, found: impl Fn(IpAddr) -> Option<u32>) -> u128 {
    look_up_from(0, count, found)
}

fn look_up_from(first: u32, count: u32, found: impl Fn(IpAddr) -> Option<u32>) -> u128 {
    let start = Instant::now();
    let mut sum = 0_u32;
    for n in 0..LOOK_UPS {
        sum = sum.wrapping_add(found(address(first + spread(n, count))).unwrap());
    }
    black_box(sum);
    start.elapsed().as_nanos() / u128::from(LOOK_UPS)
}

/// Looks up what is only known when the look-up before it has ended.
fn one_by_one(count: u32, found: impl Fn(IpAddr) -> Option<u32>) -> u128 {
    let start = Instant::now();
    let mut last = 0;
    for n in 0..LOOK_UPS {
        let turn = n.wrapping_add(last);
        // Nothing is left of it, but the compiler does not know.
        last = found(address(spread(turn, count))).unwrap() & black_box(0);
    }
    start.elapsed().as_nanos() / u128::from(LOOK_UPS)
}

impl Floor {
    fn new(sessions: u32) -> Self {
        let lines = u64::from(sessions) * 19 / 10;
        Self((0..lines).map(|n| Line([n; 8])).collect())
    }

    /// Reads the line that an address has.
    fn read(&self, client: IpAddr) -> u32 {
        let IpAddr::V4(client) = client else {
            return 0;
        };
        let bits = client.to_bits().wrapping_mul(0x9E37_79B9);
        let bits = (bits ^ bits >> 16).wrapping_mul(0x85EB_CA6B);
        let count = u64::try_from(self.0.len()).unwrap();
        let Line(words) = &self.0[usize::try_from((u64::from(bits) * count) >> u32::BITS).unwrap()];
        u32::from(words.iter().fold(0, |all, word| all ^ word) == 0)
    }
}

fn address(n: u32) -> IpAddr {
    radius_load::address(n).into()
}

fn report(n: u32, event_s: u32, profile: &Arc<str>) -> Report {
    let id = radius_load::session_id(n, 0);
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
