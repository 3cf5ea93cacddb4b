//! The page of results, and what the program itself needs to build and to open a file.

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use benches::lists::Lists;
use categories::Database;

/// How often the program is looked at while it builds.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What `weir categories build` needed.
pub(crate) struct Built {
    wall: Duration,
    /// User and system, in hundredths of a second.
    cpu: u64,
    peak_kib: u64,
}

/// What is written to `CATEGORIES.md`.
pub(crate) struct Page {
    head: String,
    growth: String,
    rows: String,
    remarks: String,
}

impl Page {
    pub(crate) fn new(is_published: bool) -> Self {
        let lists = match is_published {
            true => "published lists, cut for the first size and filled up for the last",
            false => "names made up from a seed",
        };
        let of = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let model = of("/proc/cpuinfo");
        let model = model
            .lines()
            .find_map(|line| line.strip_prefix("model name"));
        let model = model
            .unwrap_or_default()
            .trim_start_matches(['\t', ':', ' ']);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let head = format!(
            "# Category look-ups and their growth\n\nMade by `cargo xtask bench-categories`; do not \
             edit.\n\nLists: {lists}. {cores} cores of {model}, Linux {}.",
            of("/proc/sys/kernel/osrelease").trim()
        );
        Self {
            head,
            growth: String::new(),
            rows: String::new(),
            remarks: String::new(),
        }
    }

    /// Adds what a size needs to be built and opened.
    pub(crate) fn growth(&mut self, lines: usize, database: &Database, built: Option<Built>) {
        let stats = database.stats();
        let copy = database.as_bytes().to_vec();
        let start = Instant::now();
        black_box(Database::from_bytes(copy).unwrap());
        let open = start.elapsed();
        let built = built.map_or_else(
            || "not built | |".to_owned(),
            |built| {
                let cpu = built.cpu as f64 / 100.0;
                let (wall, peak) = (built.wall.as_secs_f64(), built.peak_kib / 1024);
                format!("{wall:.2} | {cpu:.2} | {peak}")
            },
        );
        let bytes = stats.bytes as f64 / stats.domains as f64;
        let open = open.as_secs_f64() * 1e3;
        let rules = stats.domains;
        writeln!(
            self.growth,
            "| {rules} | {lines} | {built} | {bytes:.1} | {open:.0} |"
        )
        .unwrap();
    }

    pub(crate) fn row(&mut self, row: &str) {
        writeln!(self.rows, "{row}").unwrap();
    }

    pub(crate) fn remark(&mut self, text: &str) {
        writeln!(self.remarks, "\n{text}").unwrap();
    }

    /// Returns the page, with the load of the machine now.
    pub(crate) fn text(&self) -> String {
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load: Vec<&str> = load.split(' ').take(3).collect();
        let Self {
            head,
            growth,
            rows,
            remarks,
        } = self;
        format!(
            "{head} Load of the machine at the end, over 1, 5 and 15 minutes, this program included: {}.\n\n\
             `weir categories build` from one file a category; \"verify\" is the check of a file that is \
             in memory already.\n\n\
             | names | lines | build, s | CPU, s | peak, MiB | bytes a name | verify, ms |\n\
             |--:|--:|--:|--:|--:|--:|--:|\n{growth}\n\
             100,000 listed names, half of them asked for below `www.`, and 100,000 that are not listed, one \
             after the other; medians of criterion. \"Build\" is from text in memory, on one thread. \
             squidGuard answers 50,000 of each over its pipe, all written at once, so that it never waits \
             for a question; its time is from the first to the last answer, and has the pipe in it.\n\n\
             | names | subject | build, s | bytes a name | hit, ns | miss, ns |\n\
             |--:|---|--:|--:|--:|--:|\n{rows}{remarks}",
            load.join(", ")
        )
    }
}

/// Has the program build the lists, if it is beside this one.
pub(crate) fn build(lists: &Lists) -> Option<Built> {
    let program = std::env::current_exe().ok()?;
    let program = program.ancestors().nth(2)?.join("weir");
    if !program.exists() {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    write_lists(lists, &folder.path().join("lists"));
    let sources = folder.path().join("lists.yaml");
    fs::write(&sources, "sources:\n  - {path: lists, format: domains}\n").unwrap();
    let start = Instant::now();
    let mut child = Command::new(program)
        .args(["categories", "build", "--allow-bad"])
        .arg(&sources)
        .arg("-o")
        .arg(folder.path().join("categories.db"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut cpu, mut peak_kib) = (0, 0);
    loop {
        // What it used last is what it used: nothing is read of a program that has ended.
        if let Some((used, peak)) = used(&child) {
            (cpu, peak_kib) = (used, peak);
        }
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "weir categories build: {status}");
            break;
        }
        thread::sleep(LOOK_EVERY);
    }
    Some(Built {
        wall: start.elapsed(),
        cpu,
        peak_kib,
    })
}

/// Returns the processor time of a program in hundredths of a second, and the most memory that it
/// had.
fn used(child: &Child) -> Option<(u64, u64)> {
    let of = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", child.id())).ok();
    let stat = of("stat")?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse().ok()?;
    let ticks = ticks + fields.next()?.parse::<u64>().ok()?;
    let status = of("status")?;
    let peak = status.lines().find_map(|it| it.strip_prefix("VmHWM:"))?;
    let peak = peak.trim().trim_end_matches(" kB").parse().ok()?;
    Some((ticks, peak))
}

/// Writes a file for each category.
fn write_lists(lists: &Lists, folder: &Path) {
    fs::create_dir(folder).unwrap();
    let mut texts = std::collections::BTreeMap::<&str, String>::new();
    for (category, name) in lists.lines() {
        let text = texts.entry(category).or_default();
        text.push_str(name);
        text.push('\n');
    }
    for (category, text) in texts {
        fs::write(folder.join(format!("{category}.txt")), text).unwrap();
    }
}
