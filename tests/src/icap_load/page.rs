//! The figures as a page.

use std::fmt::Write as _;
use std::process::Command;

use super::generator::Measured;
use super::names::{ASKED, LISTED, PATHS};
use super::{CONNECTIONS, COPIES, COPY_CONNECTIONS, COPY_LEN, Figures, MEASURED};
use super::{FLOOR, ONE_WORKER, PEER};

/// CPU time of a request at most, in microseconds, and how many times the requests of c-icap in a
/// second at least, both at this number of connections.
const BAR: (usize, f64, f64) = (16, 9.0, 1.5);

/// Median, least and most.
#[derive(Clone, Copy, Debug)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

/// Prints one measurement as it comes.
#[expect(
    clippy::print_stdout,
    reason = "it talks to the person at the terminal"
)]
pub(super) fn print(name: &str, connections: usize, measured: &Measured) {
    println!(
        "{name:<14} {connections:>3} connections {:>9.0} req/s  {:>8.2} µs CPU  p50 {:>8.0} µs  p99 {:>8.0} µs  {:>7} requests",
        measured.per_second,
        micros(measured.cpu),
        micros(measured.p50),
        micros(measured.p99),
        measured.requests,
    );
}

/// Returns the page, and prints its tables.
#[expect(
    clippy::print_stdout,
    reason = "it talks to the person at the terminal"
)]
pub(super) fn write(figures: &[Figures], rounds: usize) -> String {
    let tables = [requests(figures), copies(figures)].join("\n");
    println!("\n{tables}");
    format!(
        "# The ICAP server under load\n\nMade by `cargo xtask icap-load`; do not edit.\n\n\
         {rounds} rounds; in each, all servers in turn at every number of connections, {} s each. {}\n\n\
         The load: one thread, keep-alive connections with one request under way on each; Squid's \
         request for a GET (`Preview: 0`, `Allow: 204`) to {ASKED} hosts, half of them below one of \
         the {LISTED} listed domains, and {PATHS} paths. The load takes a core of its own. CPU time \
         is the server's alone, user and system. All run at nice -10.\n\n\
         - `{ONE_WORKER}`: the ICAP server with `workers: 1`, as many as the load leaves cores.\n\
         - `weir`: a worker for each core, as it is by default; one of them shares a core with the load.\n\
         - `{PEER}`: Debian's, with the same domains in a hash of its `srv_url_check`, one process and \
         100 threads, no logs.\n\
         - `{FLOOR}`: one thread that waits, reads and sends a fixed answer without looking: what the \
         system itself takes.\n\n{tables}",
        MEASURED.as_secs(),
        machine(),
    )
}

fn requests(figures: &[Figures]) -> String {
    let mut text = "Median (least to most) of the rounds; what is beside another is the ratio within a round.\n\n\
        | connections | server | requests/s | beside c-icap | CPU, µs a request | beside the floor | p50, µs | p99, µs |\n\
        |--:|---|--:|--:|--:|--:|--:|--:|\n"
        .to_owned();
    let mut bar = String::new();
    for (nth, connections) in CONNECTIONS.into_iter().enumerate() {
        let rounds = |name| {
            figures
                .iter()
                .find(|it| it.name == name)
                .map(|it| &it.rounds[nth])
        };
        for figures in figures {
            let own = &figures.rounds[nth];
            let of = |value: fn(&Measured) -> f64| Spread::of(own.iter().map(value));
            let beside = |name, value: fn(&Measured) -> f64| {
                let pairs = own.iter().zip(rounds(name).into_iter().flatten());
                Spread::of(pairs.map(|(one, other)| value(one) / value(other)))
            };
            let speed = beside(PEER, |it| it.per_second);
            let cpu = of(|it| micros(it.cpu));
            let _ = writeln!(
                text,
                "| {connections} | {} | {} | {} | {} | {} | {} | {} |",
                figures.name,
                of(|it| it.per_second).show(0),
                speed.show(2),
                cpu.show(1),
                beside(FLOOR, |it| micros(it.cpu)).show(2),
                of(|it| micros(it.p50)).show(0),
                of(|it| micros(it.p99)).show(0),
            );
            if (connections, figures.name) == (BAR.0, ONE_WORKER) {
                let word = |held| if held { "held" } else { "not held" };
                bar = format!(
                    "The bar, for `{ONE_WORKER}` at {connections} connections: at most {} µs of CPU \
                     time a request ({}), and at least {} times the requests of {PEER} ({}).\n",
                    BAR.1,
                    word(cpu.median <= BAR.1),
                    BAR.2,
                    word(speed.median >= BAR.2),
                );
            }
        }
    }
    [text, bar].join("\n")
}

fn copies(figures: &[Figures]) -> String {
    let mut text = format!(
        "Bodies of {} MiB that have to come back (no preview, no 204), {COPY_CONNECTIONS} at a \
         time; c-icap by its `echo` service, since its `url_check` closes such connections.\n\n\
         | server | RSS at start, KiB | after the rounds | before the copies | after {COPIES} | after {} | copies/s | CPU, ms a copy |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|\n",
        COPY_LEN / 1024 / 1024,
        2 * COPIES,
    );
    for figures in figures {
        let Some(copies) = figures.copies else {
            continue;
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {:.1} | {:.1} |",
            figures.name,
            figures.resident[0],
            figures.resident[1],
            copies.before,
            copies.after[0],
            copies.after[1],
            copies.per_second,
            micros(copies.cpu) / 1000.0,
        );
    }
    text
}

fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let said = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output();
        let output = output.map(|output| [output.stdout, output.stderr].concat());
        let text = String::from_utf8_lossy(&output.unwrap_or_default()).into_owned();
        text.lines().next().unwrap_or_default().trim().to_owned()
    };
    let cpus = read("/proc/cpuinfo");
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model
        .unwrap_or_default()
        .trim_start_matches(['\t', ':', ' ']);
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZeroUsize::get);
    let load = read("/proc/loadavg");
    let load: Vec<&str> = load.split(' ').take(3).collect();
    format!(
        "{cores} cores of {model}, Linux {}, {}, c-icap {}; load of the machine at the end, over \
         1, 5 and 15 minutes: {}.",
        read("/proc/sys/kernel/osrelease").trim(),
        said("rustc", "--version"),
        said("c-icap", "-V"),
        load.join(", "),
    )
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |nth: usize| values.get(nth).copied().unwrap_or_default();
        Self {
            median: at(values.len() / 2),
            least: at(0),
            most: at(values.len().saturating_sub(1)),
        }
    }

    fn show(self, digits: usize) -> String {
        format!(
            "{:.digits$} ({:.digits$} to {:.digits$})",
            self.median, self.least, self.most
        )
    }
}

fn micros(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
