//! The sample lists, which are real ones.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use categories::{Builder, Database, ListKind};
use uri::Readings;

const LISTS: &[(&str, ListKind, &str)] = &[
    (
        "press",
        ListKind::Domains,
        include_str!("../../../fixtures/categories/press/domains"),
    ),
    (
        "press",
        ListKind::Urls,
        include_str!("../../../fixtures/categories/press/urls"),
    ),
    (
        "games",
        ListKind::Domains,
        include_str!("../../../fixtures/categories/games/domains"),
    ),
    (
        "games",
        ListKind::Urls,
        include_str!("../../../fixtures/categories/games/urls"),
    ),
    (
        "shopping",
        ListKind::Domains,
        include_str!("../../../fixtures/categories/shopping/domains"),
    ),
    (
        "webmail",
        ListKind::Urls,
        include_str!("../../../fixtures/categories/webmail/urls"),
    ),
];

#[test]
fn every_line_and_its_subdomains_are_found() {
    let database = sample();
    for (category, kind, text) in LISTS {
        for line in text.lines() {
            let spellings = match kind {
                ListKind::Domains => [format!("http://{line}"), format!("https://zz.{line}/x")],
                ListKind::Urls => [format!("http://{line}"), format!("http://www.{line}x")],
                ListKind::Hostnames
                | ListKind::Hosts
                | ListKind::Adblock
                | ListKind::UrlTable
                | ListKind::Expressions => continue,
            };
            for spelling in spellings {
                // An address has no subdomains.
                let Ok(readings) = Readings::parse(spelling.as_bytes()) else {
                    continue;
                };
                let found = database.lookup(&readings);
                assert!(found.categories().any(|c| c == *category), "{spelling}");
            }
        }
    }
}

#[test]
fn a_rule_takes_few_bytes() {
    let stats = sample().stats().clone();
    let of_rules = stats.bytes / (stats.domains + stats.urls);
    assert!(of_rules <= 40, "{of_rules} bytes a rule");
}

fn sample() -> Database {
    let mut builder = Builder::new();
    for (category, kind, text) in LISTS {
        let report = builder
            .add_file(category, *kind, category, text.as_bytes())
            .unwrap();
        assert_eq!(report.bad_lines, []);
    }
    builder.build().unwrap()
}
