//! A category file replaced a thousand times under load: wrong answers, dropped connections, and
//! the memory of the real program.
//!
//! `cargo run --release -p tests --bin reloads -- 1000 300000`: reloads, and names in the file. For
//! what it measures see benches/README.md.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement that fails shall say so"
)]

use std::process::ExitCode;

use tests::reloads::{Setup, reload_under_load};

/// Reloads, unless told otherwise.
const RELOADS: usize = 1_000;

/// Names in the file, unless told otherwise.
const NAMES: usize = 300_000;

/// Clients that ask all the time.
const CLIENTS: usize = 4;

/// By what part memory may grow.
const GROWTH_MAX: f64 = 0.05;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| {
        arguments.next().map_or(default, |text| {
            text.parse().expect("how many reloads, and how many names")
        })
    };
    let setup = Setup {
        reloads: number(RELOADS),
        names: number(NAMES),
        clients: CLIENTS,
    };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    println!("{setup:?}, load {}", load.trim());
    let outcome = reload_under_load(setup);
    let [red, blue] = outcome.file_len;
    println!("files: {red} and {blue} bytes");
    println!(
        "answers: {}, of them wrong: {}; connections dropped: {}",
        outcome.answers, outcome.wrong, outcome.dropped
    );
    for (name, (first, most)) in ["red", "blue"].iter().zip(outcome.levels_kib()) {
        println!(
            "memory with {name}: {first} KiB for the first time, {most} KiB at most after a reload"
        );
    }
    println!(
        "growth: {:+.2} %; peak while reloading: {} KiB",
        100.0 * outcome.growth(),
        outcome.peak_kib
    );
    let mut reloading = outcome.reloading.clone();
    reloading.sort();
    let at = |part: usize| reloading.get(reloading.len() * part / 100);
    println!(
        "a reload, in ms: median {:.1}, 99 % {:.1}",
        at(50).unwrap().as_secs_f64() * 1e3,
        at(99).unwrap().as_secs_f64() * 1e3
    );
    let kept = outcome.wrong == 0 && outcome.dropped == 0 && outcome.growth() <= GROWTH_MAX;
    if kept {
        ExitCode::SUCCESS
    } else {
        println!("MISSED");
        ExitCode::FAILURE
    }
}
