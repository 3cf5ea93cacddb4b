//! The conformance suite for ICAP servers, run against this program and against others.

use std::collections::BTreeSet;

use tests::conformance::case::Level;
use tests::conformance::exchange::Verdict;
use tests::conformance::peer::Service;
use tests::conformance::{cases, page, suite};

#[test]
fn every_case_has_a_name_of_its_own() {
    let cases = cases::all();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.id).collect();
    assert_eq!(names.len(), cases.len());
    assert!(cases.len() >= 150, "{} cases", cases.len());
}

#[test]
fn categorize_does_what_it_must_and_should() {
    conforms(Service::Categorize);
}

#[test]
fn filter_does_what_it_must_and_should() {
    conforms(Service::Filter);
}

#[track_caller]
fn conforms(service: Service) {
    let cases = cases::all();
    let mut running = service.start();
    let target = running.target(service).unwrap();
    let outcome = suite::judge(&cases, &target);
    for level in [Level::Must, Level::Should, Level::May] {
        let failed: Vec<String> = outcome
            .failed(&cases, level)
            .into_iter()
            .map(|(case, got)| format!("{}: {}: {got}", case.id, case.rule.claim))
            .collect();
        assert!(failed.is_empty(), "{level:?}: {failed:#?}");
    }
}

/// What c-icap 0.5.10 breaks, by the service that gives back what it got; and [`HIDDEN_BY_ITS_END`].
const BROKEN_BY_C_ICAP: [&str; 8] = [
    "an unknown method gets 501",
    "every answer has an ISTag",
    "unknown extensions beside ieof are ignored",
    "a preview may end with a trailer",
    "another word in Allow is no licence for 204",
    "an HTTP trailer is accepted and comes back",
    "unknown chunk extensions are ignored",
    "an answer after which the connection is closed says so",
];

/// What it breaks unless one of its processes dies meanwhile, by a fault of its own in its memory:
/// the connections of that one are closed then.
const HIDDEN_BY_ITS_END: &str = "after a request with Connection: close the connection is closed";

#[test]
fn the_suite_finds_what_c_icap_breaks() {
    let service = Service::Echo;
    if tests::tier_missing("real peers", service.missing()) {
        return;
    }
    let cases = cases::all();
    let mut running = service.start();
    let outcome = suite::judge_apart(&cases, &running.target(service).unwrap());
    let mut broken = outcome.broken(&cases, Level::Must);
    if service.version().contains("0.5.10") {
        let failed = outcome.failed(&cases, Level::Must);
        let failed = failed
            .iter()
            .map(|(case, got)| format!("{}: {got}", case.id));
        broken.retain(|it| *it != HIDDEN_BY_ITS_END);
        assert_eq!(
            broken,
            BROKEN_BY_C_ICAP,
            "{:#?}",
            failed.collect::<Vec<_>>()
        );
    }
    assert!(!broken.is_empty(), "a suite that finds nothing");
    // What it does right is not called wrong.
    let met = |verdict: &&Verdict| matches!(verdict, Verdict::Met(_));
    let met = outcome.verdicts.iter().filter(met).count();
    assert!(met > cases.len() / 2, "{met} of {}", cases.len());
}

#[test]
fn every_case_is_in_the_table() {
    let table = page::read().unwrap();
    let cases = cases::all();
    let missing: Vec<String> = cases
        .iter()
        .map(|case| {
            let rule = case.rule;
            let level = rule.level.as_str();
            format!(
                "| {} | {level} | {} | {} |",
                rule.section, rule.claim, case.id
            )
        })
        .filter(|row| !table.contains(row))
        .collect();
    assert!(
        missing.is_empty(),
        "not in docs/ICAP-CONFORMANCE.md, run `cargo xtask conformance`: {missing:#?}"
    );
    let heading = format!("\n{} cases:\n", cases.len());
    assert!(table.contains(&heading), "a case of the table is no more");
}

#[test]
fn the_table_says_what_the_tests_hold() {
    let table = page::read().unwrap();
    for level in [Level::Must, Level::Should] {
        let all = suite::claims(&cases::all(), level).len();
        let row = format!("| **{}** | {all} | **0** | **0** |", level.as_str());
        assert!(table.contains(&row), "{row}");
    }
}
