//! The page with the comparison is in step with the corpus, and says what it must.

use tests::comparison::{page, trial};
use tests::evasion::case::Corpus;

#[test]
fn every_case_is_in_the_table() {
    let table = page::read().unwrap();
    let (rows, _) = trial::trials(&Corpus::read());
    let missing: Vec<String> = rows
        .iter()
        .map(page::case_name)
        .filter(|name| !table.contains(&format!("\n| {name} |")))
        .collect();
    assert!(
        missing.is_empty(),
        "not in docs/SECURITY-TESTS.md, run `cargo xtask peers`: {missing:#?}"
    );
}

#[test]
fn no_other_column_is_without_a_bypass() {
    let table = page::read().unwrap();
    let bypasses: [Option<u32>; 5] = totals(&table, page::BYPASSES).try_into().unwrap();
    let [_, weir, others @ ..] = bypasses;
    assert_eq!(weir, Some(0), "bypasses");
    for count in others {
        assert!(count.is_some_and(|count| count > 0), "{others:?}");
    }
    assert_eq!(totals(&table, page::BROKEN)[1], Some(0), "honest requests");
}

/// Returns the numbers of a row of totals; the control has none.
fn totals(table: &str, what: &str) -> Vec<Option<u32>> {
    let start = format!("| {what} |");
    let line = table.lines().find_map(|line| line.strip_prefix(&start));
    let cells = line.unwrap().trim_end_matches('|').split('|');
    cells
        .map(|cell| cell.trim().trim_matches('*').parse().ok())
        .collect()
}
