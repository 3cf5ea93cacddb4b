//! Holds look-ups in published lists to a slow model, and looks below every listed name.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it talks to the person at the terminal, and a panic is how a check fails"
)]

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use benches::lists::{Lists, Random};
use benches::model::{Model, questions};
use categories::Database;
use uri::{NormalUri, Readings};

/// Questions that the rules are compared with in one go.
const BLOCK_LEN: usize = 256;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("the folder of lists");
    let count = arguments
        .next()
        .map_or(1_000_000, |count| count.parse().unwrap());
    let lists = Lists::read(Path::new(&folder));
    let database = lists.database();
    let model = Model::of(&lists);
    println!("{} rules", model.len());
    let mut random = Random(5);
    let texts: Vec<String> = questions(&lists, &mut random).take(count).collect();
    let start = Instant::now();
    let (asked, found) = scan(&model, &database, &texts);
    println!(
        "{asked} of {count} random questions are URIs; compared with every rule one by one, all \
         agree, {found} with a category, in {} s",
        start.elapsed().as_secs()
    );
    below(&lists, &database);
}

/// Compares the answers about all URIs with those of both models. Returns how many URIs these are,
/// and how many have a category.
fn scan(model: &Model, database: &Database, texts: &[String]) -> (usize, usize) {
    let blocks: Vec<&[String]> = texts.chunks(BLOCK_LEN).collect();
    let next = AtomicUsize::new(0);
    let (asked, found) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(texts) = blocks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (of_block, found_of_block) = scan_block(model, database, texts);
                    asked.fetch_add(of_block, Ordering::Relaxed);
                    found.fetch_add(found_of_block, Ordering::Relaxed);
                }
            });
        }
    });
    (asked.into_inner(), found.into_inner())
}

fn scan_block(model: &Model, database: &Database, texts: &[String]) -> (usize, usize) {
    let readings = texts.iter().map(|text| Readings::parse(text.as_bytes()));
    let readings: Vec<Readings> = readings.filter_map(Result::ok).collect();
    let scanned = model.scanned(&readings, database);
    let mut found = 0;
    for (readings, expected) in readings.iter().zip(scanned) {
        let uri = readings.normal();
        let listed: Vec<&str> = database.lookup(readings).categories().collect();
        assert_eq!(listed, expected, "{uri}, rule by rule");
        assert_eq!(listed, model.categories(readings, database), "{uri}");
        found += usize::from(!listed.is_empty());
    }
    (readings.len(), found)
}

/// Looks every listed name up, and one below it.
fn below(lists: &Lists, database: &Database) {
    let mut below = 0;
    for (category, name) in lists.lines() {
        for text in [format!("http://{name}/"), format!("http://zz.{name}/")] {
            let Ok(uri) = NormalUri::parse(text.as_bytes()) else {
                continue;
            };
            let listed = database.lookup_uri(&uri);
            assert!(
                listed.categories().any(|it| it == category),
                "{text} lacks {category}"
            );
            below += 1;
        }
    }
    println!("{below} listed names and names below them have their categories");
}
