//! What a table of live sessions takes: memory for each, time to look one up while nobody and
//! while somebody reports, and what a stream of RADIUS accounting costs: reports are read, put in
//! force and answered. Beside the look-ups a `HashMap` of the same addresses, which a lock would
//! have to guard, and one that a lock does guard. Prints a table of Markdown; times are of the same
//! round.
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
use sessions::{Digits, LiveLimits, LiveSessions, Report, SessionId};
use tests::radius_load::{self, spread};

/// Look-ups of a round.
const LOOK_UPS: u32 = 1_000_000;

/// Rounds of each figure; their median and spread are printed.
const ROUNDS: usize = 9;

/// Reports of a round.
const REPORTS: u32 = 200_000;

/// How long ago all sessions were reported when the measurement begins, in seconds.
const OLD_S: u32 = 1_000;

fn main() {
    let count = std::env::args().nth(1).map_or(1_000_000, |text| {
        text.parse().expect("a number of sessions")
    });
    let begin_s = now_s() - OLD_S;
    let before = resident_bytes();
    let live = LiveSessions::new(LiveLimits {
        sessions_max: usize::try_from(count).unwrap(),
        lifetime_s: 4 * 3_600,
    });
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
    radius_load::measure(&Arc::new(live), count, begin_s + 100);
}

fn look_ups(live: &LiveSessions, count: u32) {
    let known: HashMap<IpAddr, u32> = (0..count).map(|n| (address(n), n)).collect();
    let guarded = known.iter().map(|(it, n)| (*it, Arc::new(*n)));
    let guarded: RwLock<HashMap<IpAddr, Arc<u32>>> = RwLock::new(guarded.collect());
    let of_table = |it| live.lookup(it).map(|record| record.changed_s);
    let of_map = |it| known.get(&it).copied();
    let of_guarded = |it| guarded.read().unwrap().get(&it).map(Arc::clone);
    rows(&mut [
        ("`HashMap`, one look-up after the other, ns", &mut || {
            one_by_one(count, of_map)
        }),
        ("live table", &mut || one_by_one(count, of_table)),
        ("`HashMap` of `Arc` in `RwLock`", &mut || {
            one_by_one(count, |it| of_guarded(it).map(|it| *it))
        }),
    ]);
    rows(&mut [
        (
            "`HashMap`, as many at a time as the processor likes, ns",
            &mut || look_up(count, |it| of_map(it).is_some()),
        ),
        ("live table", &mut || {
            look_up(count, |it| of_table(it).is_some())
        }),
        ("`HashMap` of `Arc` in `RwLock`", &mut || {
            look_up(count, |it| of_guarded(it).is_some())
        }),
        ("live table, addresses without a session", &mut || {
            look_up_from(count, count, |it| of_table(it).is_none())
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
            look_up(count, |it| live.lookup(it).is_some())
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
    row("a report of an open session, at the table, ns", || {
        event_s += 1;
        let reports: Vec<Report> = (0..REPORTS)
            .map(|n| report(spread(n, count), event_s, profile))
            .collect();
        let start = Instant::now();
        for report in &reports {
            live.report(report, event_s).unwrap();
        }
        start.elapsed().as_nanos() / u128::from(REPORTS)
    });
    row("the end of one and the begin of the next, ns", || {
        event_s += 1;
        let reports: Vec<Report> = (0..REPORTS)
            .map(|n| report(spread(n, count), event_s, profile))
            .collect();
        let start = Instant::now();
        for report in &reports {
            live.close(&report.nas, &report.id, event_s - 1);
            live.report(report, event_s).unwrap();
        }
        start.elapsed().as_nanos() / u128::from(REPORTS)
    });
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
