//! How many instructions each operation needs: what stays the same on a machine that others use.
//!
//! It runs itself under callgrind, which writes the counts of each subject to a file of its own,
//! and prints them beside the durations that were measured last.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it talks to the person at the terminal, and a panic is how a bench fails"
)]

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

use benches::Subject;
use serde_json::Value;

/// Runs before counting: what is done once only is not counted. Calls made before the first of
/// them are counted with them.
const WARM_UP_RUNS: u64 = 20;

/// Runs that are counted.
const COUNTED_RUNS: u64 = 1_000;

/// The function whose calls callgrind counts and files one by one.
const COUNTED: &str = "instructions::repeat_counted";

/// The argument that says which one of the two processes this is.
const UNDER_CALLGRIND: &str = "--under-callgrind";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |argument: &str| arguments.iter().any(|found| found == argument);
    let wanted = arguments.iter().find(|found| !found.starts_with("--"));
    let wanted = |subject: &Subject| wanted.is_none_or(|wanted| subject.name().contains(wanted));
    if has(UNDER_CALLGRIND) {
        for mut subject in benches::subjects().into_iter().filter(wanted) {
            repeat_counted(&mut subject, WARM_UP_RUNS);
            repeat_counted(&mut subject, COUNTED_RUNS);
        }
    } else if !has("--bench") {
        println!("note: instructions are counted by `cargo bench` only");
    } else if !has_valgrind() {
        println!("note: instructions are not counted; install the package valgrind");
    } else {
        let names = benches::subjects().into_iter().filter(wanted);
        print_table(&names.map(|subject| subject.name()).collect::<Vec<_>>());
    }
}

/// What [`COUNTED`] names.
#[inline(never)]
fn repeat_counted(subject: &mut Subject, runs: u64) {
    for _ in 0..runs {
        subject.run();
    }
}

fn has_valgrind() -> bool {
    let mut valgrind = Command::new("valgrind");
    valgrind.arg("--version").stdout(Stdio::null());
    valgrind.status().is_ok_and(|status| status.success())
}

fn print_table(names: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    count(folder.path());
    println!(
        "| operation | instructions | allocations | fastest, ns | median, ns | deviation, ns |"
    );
    println!("|---|--:|--:|--:|--:|--:|");
    for (name, number) in names.iter().zip(1..) {
        let counts = std::fs::read_to_string(folder.path().join(format!("counts.{}", 2 * number)));
        let counts = counts.unwrap();
        let instructions = instructions(&counts) / COUNTED_RUNS;
        let allocations = allocations(&counts) / COUNTED_RUNS;
        let durations = Durations::read(name).unwrap_or_default();
        println!("| {name} | {instructions} | {allocations} | {durations} |");
    }
}

/// Runs this program once more. It writes two files for each subject, the second with the runs
/// that count.
fn count(folder: &Path) {
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--compress-strings=no"])
        .args(["toggle-collect", "dump-after"].map(|at| format!("--{at}={COUNTED}")))
        .arg(format!("--callgrind-out-file={}/counts", folder.display()))
        .arg(std::env::current_exe().unwrap())
        .args(std::env::args().skip(1))
        .arg(UNDER_CALLGRIND)
        .status();
    assert!(status.unwrap().success());
}

fn instructions(counts: &str) -> u64 {
    let total = counts
        .lines()
        .find_map(|line| line.strip_prefix("totals: "));
    total.unwrap().trim().parse().unwrap()
}

/// Adds the calls of the allocator up. A line names what is called, the next line how often.
fn allocations(counts: &str) -> u64 {
    let mut calls = 0;
    let mut allocates = false;
    for line in counts.lines() {
        if let Some(name) = line.strip_prefix("cfn=") {
            allocates = matches!(name, "malloc" | "calloc" | "realloc" | "posix_memalign");
        } else if let Some(numbers) = line.strip_prefix("calls=").filter(|_| allocates) {
            let number = numbers.split(' ').next().unwrap();
            calls += number.parse::<u64>().unwrap();
        }
    }
    calls
}

/// What was measured last, in nanoseconds.
#[derive(Default)]
struct Durations {
    /// The mean of the fastest sample: what other programs on the machine disturbed least.
    fastest: f64,
    median: f64,
    /// The median absolute deviation of the samples.
    deviation: f64,
}

impl Durations {
    /// Reads what criterion wrote, if it did.
    fn read(name: &str) -> Option<Self> {
        let target = std::env::current_exe().ok()?.ancestors().nth(3)?.to_owned();
        let folder = target.join("criterion").join(name.replace('/', "_"));
        let file = |name: &str| -> Option<Value> {
            let text = std::fs::read(folder.join("new").join(name)).ok()?;
            serde_json::from_slice(&text).ok()
        };
        let (estimates, sample) = (file("estimates.json")?, file("sample.json")?);
        let point = |key: &str| estimates.get(key)?.get("point_estimate")?.as_f64();
        let numbers = |key: &str| {
            let numbers = sample.get(key)?.as_array()?;
            numbers
                .iter()
                .map(Value::as_f64)
                .collect::<Option<Vec<_>>>()
        };
        let (times, runs) = (numbers("times")?, numbers("iters")?);
        Some(Self {
            fastest: times
                .iter()
                .zip(&runs)
                .map(|(time, runs)| time / runs)
                .fold(f64::INFINITY, f64::min),
            median: point("median")?,
            deviation: point("median_abs_dev")?,
        })
    }
}

impl fmt::Display for Durations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            fastest,
            median,
            deviation,
        } = self;
        write!(f, "{fastest:.0} | {median:.0} | {deviation:.0}")
    }
}
