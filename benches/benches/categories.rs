//! Categories at 0.3, 3.8 and 10 million rules, beside a map of the standard library, `fst` and
//! Debian's squidGuard on the same questions. `--data FOLDER` takes published lists. All sizes are
//! written to `benches/CATEGORIES.md`; one (`--rules COUNT`) is only printed.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it talks to the person at the terminal, and a panic is how a bench fails"
)]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use benches::lists::{Lists, Random};
use benches::peers::{Map, Transducer, squid_guard};
use categories::Database;
use criterion::Criterion;
use uri::{NormalUri, Readings};

#[path = "categories/page.rs"]
mod page;

/// Rules of each size.
const SIZES: [usize; 3] = [300_000, 3_800_000, 10_000_000];

/// Hosts that are looked up in turn. They do not fit into the processor's caches together with
/// what they hit.
const LOOKED_UP: usize = 100_000;

/// Questions to squidGuard.
const ASKED: usize = 50_000;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|it| it != "--bench");
    let (mut data, mut sizes) = (None, SIZES.to_vec());
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), arguments.next()) {
            ("--data", Some(folder)) => data = Some(PathBuf::from(folder)),
            ("--rules", Some(count)) => sizes = vec![count.parse().unwrap()],
            _ => panic!("use --data FOLDER, and --rules COUNT for one size"),
        }
    }
    let all = match &data {
        Some(folder) => Lists::read(folder),
        None => Lists::made_up(SIZES[1]),
    };
    let mut criterion = Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .nresamples(2_000);
    let mut page = page::Page::new(data.is_some());
    for size in &sizes {
        measure(&mut criterion, &all.resized(*size), &mut page);
    }
    let text = page.text();
    println!("\n{text}");
    if sizes == SIZES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("CATEGORIES.md");
        std::fs::write(path, text).unwrap();
    }
}

/// Questions of one kind.
struct Questions {
    kind: &'static str,
    texts: Vec<String>,
    uris: Vec<NormalUri>,
}

impl Questions {
    fn of(kind: &'static str, texts: impl Iterator<Item = String>) -> Self {
        let read = texts.filter_map(|text| Some((NormalUri::parse(text.as_bytes()).ok()?, text)));
        let (uris, texts) = read.take(LOOKED_UP).unzip();
        Self { kind, texts, uris }
    }
}

/// One row of the table.
struct Row {
    subject: &'static str,
    build: Option<Duration>,
    bytes: Option<usize>,
    found: [String; 2],
}

fn measure(criterion: &mut Criterion, lists: &Lists, page: &mut page::Page) {
    let program = page::build(lists);
    let start = Instant::now();
    let database = lists.database();
    let build = start.elapsed();
    let rules = database.stats().domains;
    page.growth(lists.lines().count(), &database, program);
    let questions = questions(lists, &database);
    let mut rows = ours(criterion, &database, build, &questions);
    drop(database);
    rows.push(map(criterion, rules, lists, &questions));
    rows.push(transducer(criterion, rules, lists, &questions));
    match guard(lists, &questions, page) {
        Some(row) => rows.push(row),
        None => page.remark("squidGuard (package `squidguard`) is not installed: not measured."),
    }
    for row in rows {
        page.row(&row.text(rules));
    }
}

impl Row {
    fn text(&self, rules: u64) -> String {
        let bytes = self
            .bytes
            .map(|bytes| format!("{:.1}", bytes as f64 / rules as f64));
        let build = self
            .build
            .map(|build| format!("{:.2}", build.as_secs_f64()));
        let [hit, miss] = &self.found;
        format!(
            "| {rules} | {} | {} | {} | {hit} | {miss} |",
            self.subject,
            build.unwrap_or_default(),
            bytes.unwrap_or_default(),
        )
    }
}

fn ours(
    criterion: &mut Criterion,
    database: &Database,
    build: Duration,
    questions: &[Questions; 2],
) -> Vec<Row> {
    let rules = database.stats().domains;
    let names = questions.each_ref().map(|it| {
        let name = format!("categories/{rules}/weir/{}", it.kind);
        in_turn(criterion, &name, &it.uris, |uri| {
            database.lookup_uri(uri).is_empty()
        })
    });
    let whole = questions.each_ref().map(|it| {
        let name = format!("categories/{rules}/whole/{}", it.kind);
        in_turn(criterion, &name, &it.texts, |text| {
            let readings = Readings::parse(text.as_bytes()).unwrap();
            database.lookup(&readings).is_empty()
        })
    });
    vec![
        Row {
            subject: "weir, names alone",
            build: Some(build),
            bytes: Some(database.as_bytes().len()),
            found: names,
        },
        Row {
            subject: "weir, from the text of a URI",
            build: None,
            bytes: None,
            found: whole,
        },
    ]
}

fn map(criterion: &mut Criterion, rules: u64, lists: &Lists, questions: &[Questions; 2]) -> Row {
    let start = Instant::now();
    let map = Map::of(lists);
    let build = start.elapsed();
    let found = questions.each_ref().map(|it| {
        let name = format!("categories/{rules}/map/{}", it.kind);
        in_turn(criterion, &name, &it.uris, |uri| map.find(uri.host()))
    });
    Row {
        subject: "std HashMap",
        build: Some(build),
        bytes: None,
        found,
    }
}

fn transducer(
    criterion: &mut Criterion,
    rules: u64,
    lists: &Lists,
    questions: &[Questions; 2],
) -> Row {
    let start = Instant::now();
    let transducer = Transducer::of(lists);
    let build = start.elapsed();
    let found = questions.each_ref().map(|it| {
        let name = format!("categories/{rules}/fst/{}", it.kind);
        in_turn(criterion, &name, &it.uris, |uri| {
            transducer.find(uri.host())
        })
    });
    Row {
        subject: "fst",
        build: Some(build),
        bytes: Some(transducer.len()),
        found,
    }
}

/// Asks squidGuard, if it is installed.
fn guard(lists: &Lists, questions: &[Questions; 2], page: &mut page::Page) -> Option<Row> {
    let folder = tempfile::tempdir().unwrap();
    let asked = questions
        .each_ref()
        .map(|it| it.texts.get(..ASKED.min(it.texts.len())).unwrap());
    let answered = squid_guard(folder.path(), lists, asked)?;
    let [(_, hits), (_, wrong)] = answered.answers;
    let rules = lists.lines().count();
    page.remark(&format!(
        "At {rules} lines squidGuard redirected {hits} of {ASKED} listed URIs, and {wrong} of so many that are not."
    ));
    let found = answered
        .answers
        .map(|(time, _)| format!("{:.0}", time.as_nanos() as f64 / ASKED as f64));
    Some(Row {
        subject: "squidGuard, over a pipe",
        build: Some(answered.build),
        bytes: Some(bytes_of(folder.path())),
        found,
    })
}

/// Returns URIs of listed names and of names below them, and URIs of names that are not listed.
fn questions(lists: &Lists, database: &Database) -> [Questions; 2] {
    let names: Vec<&str> = lists.lines().map(|(_, name)| name).collect();
    let mut random = Random(3);
    let mut any = || {
        let at = usize::try_from(random.below(names.len() as u64)).unwrap();
        *names.get(at).unwrap()
    };
    let mut turn = 0;
    let hits = std::iter::repeat_with(|| {
        turn += 1;
        let below = if turn % 2 == 0 { "www." } else { "" };
        format!("http://{below}{}/path/page.html?id=1", any())
    });
    let hits = Questions::of(
        "hit",
        hits.filter(|uri| is_listed(database, uri)).take(LOOKED_UP),
    );
    let mut random = Random(4);
    let misses = std::iter::repeat_with(|| {
        let at = usize::try_from(random.below(names.len() as u64)).unwrap();
        let name: String = names.get(at).unwrap().replace('.', "-q.");
        format!("http://www.{name}/path/page.html?id=1")
    });
    let misses = misses
        .filter(|uri| !is_listed(database, uri))
        .take(LOOKED_UP);
    [hits, Questions::of("miss", misses)]
}

fn is_listed(database: &Database, uri: &str) -> bool {
    NormalUri::parse(uri.as_bytes()).is_ok_and(|uri| !database.lookup_uri(&uri).is_empty())
}

/// Runs an operation on one value after the other, and returns the median time of one.
fn in_turn<T, R>(
    criterion: &mut Criterion,
    name: &str,
    values: &[T],
    mut operation: impl FnMut(&T) -> R,
) -> String {
    let mut next = values.iter().cycle();
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| black_box(operation(next.next().unwrap())));
    });
    median(name).map_or_else(String::new, |median| format!("{median:.0}"))
}

/// Reads what criterion measured last.
fn median(name: &str) -> Option<f64> {
    let target = std::env::current_exe().ok()?.ancestors().nth(3)?.to_owned();
    let folder = target.join("criterion").join(name.replace('/', "_"));
    let text = std::fs::read(folder.join("new/estimates.json")).ok()?;
    let estimates: serde_json::Value = serde_json::from_slice(&text).ok()?;
    estimates.get("median")?.get("point_estimate")?.as_f64()
}

/// Returns the bytes of squidGuard's databases.
fn bytes_of(folder: &Path) -> usize {
    let mut bytes = 0;
    for category in folder.read_dir().unwrap() {
        let file = category.unwrap().path().join("domains.db");
        bytes += std::fs::metadata(file).map_or(0, |it| usize::try_from(it.len()).unwrap());
    }
    bytes
}
