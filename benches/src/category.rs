//! Look-ups in the category lists of the fixtures: 12 000 names and URLs.

use std::path::Path;
use std::sync::Arc;

use categories::{Builder, Database, ListKind};
use uri::Readings;

use crate::Subject;
use crate::turns::Turns;

/// Names that are looked up in turn.
const LOOKED_UP: usize = 1_000;

pub(crate) fn subjects() -> Vec<Subject> {
    let (database, names) = read_lists();
    let database = Arc::new(database);
    let step = names.len() / LOOKED_UP;
    let listed = names.iter().step_by(step).take(LOOKED_UP);
    let hits = listed.map(|name| format!("http://www.{name}/some/page.html?id=1"));
    let misses = (0..LOOKED_UP).map(|n| format!("http://www.unlisted{n}.example/page.html?id={n}"));
    vec![
        look_up("category/domain hit", &database, readings(hits), "nonempty"),
        look_up("category/miss", &database, readings(misses), ""),
    ]
}

fn look_up(
    name: &'static str,
    database: &Arc<Database>,
    mut uris: Turns<Readings>,
    expected: &str,
) -> Subject {
    for uri in uris.iter() {
        let found = database.lookup(uri);
        assert_eq!(found.is_empty(), expected.is_empty(), "{uri:?}");
    }
    let database = Arc::clone(database);
    Subject::new(name, move || {
        let found = database.lookup(uris.take());
        (
            found.categories().map(str::len).sum::<usize>(),
            found.prefix_len(),
        )
    })
}

/// Returns all lists of the fixtures, compiled, and the names in them in a mixed order.
fn read_lists() -> (Database, Vec<String>) {
    let mut builder = Builder::new();
    let mut names = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/categories");
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let category = path.file_name().unwrap().to_str().unwrap();
        for (file, kind) in [("domains", ListKind::Domains), ("urls", ListKind::Urls)] {
            let Ok(text) = std::fs::read_to_string(path.join(file)) else {
                continue;
            };
            builder
                .add_file(category, kind, file, text.as_bytes())
                .unwrap();
            if kind == ListKind::Domains {
                let lines = text.lines().filter(|line| !line.starts_with('#'));
                names.extend(lines.filter(|line| is_name(line)).map(str::to_owned));
            }
        }
    }
    names.sort_by_key(|name| name.bytes().rev().collect::<Vec<_>>());
    (builder.build().unwrap(), names)
}

/// An address has no `www` below it.
fn is_name(line: &str) -> bool {
    line.ends_with(|last: char| last.is_ascii_alphabetic())
}

fn readings(texts: impl Iterator<Item = String>) -> Turns<Readings> {
    Turns::of(texts.map(|text| Readings::parse(text.as_bytes()).unwrap()))
}
