//! The conformance suite for ICAP servers, run against this program and against others.

use std::collections::BTreeSet;

use tests::conformance::case::Level;
use tests::conformance::peer::Service;
use tests::conformance::{cases, suite};

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
